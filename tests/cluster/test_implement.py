"""``/implement`` in the real OpenCode, with every attempt in a pod."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

import opencode_program
from implemented import implement

if TYPE_CHECKING:
    from cluster.cluster_rig import ClusterRig

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.opencode,
    pytest.mark.slow,
    pytest.mark.timeout(400),
]


def programs(rig: ClusterRig) -> None:
    """Put OpenCode on PATH, and a Python that has the packages."""
    folder = rig.folder / "bin"
    folder.mkdir()
    (folder / "opencode").symlink_to(opencode_program.find() or opencode_program.skip())
    python = folder / "python3"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    rig.env["PATH"] = f"{folder}:{rig.env['PATH']}"


def test_a_feature_is_done_in_pods_and_the_session_shows_it(rig: ClusterRig) -> None:
    programs(rig)
    assert rig.run("install").code == 0
    rig.commit("Have agents do what is marked [ASYNC]")
    implement(rig, "implement", flood=20_000)
    assert len(rig.namespace.jobs()) == 6
