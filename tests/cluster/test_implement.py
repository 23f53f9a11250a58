"""``/implement`` in the real OpenCode, with every attempt in a pod."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from support.cluster.pod_template import Form
from support.model.server import Call, Rule, calls, says, shell, write
from support.opencode import program
from support.opencode.implemented_feature import implement

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.opencode,
    pytest.mark.slow,
    pytest.mark.timeout(400),
]


def programs(harness: ClusterHarness) -> None:
    """Put OpenCode on PATH, and a Python that has the packages."""
    folder = harness.folder / "bin"
    folder.mkdir()
    (folder / "opencode").symlink_to(program.find() or program.skip())
    python = folder / "python3"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    harness.env["PATH"] = f"{folder}:{harness.env['PATH']}"


def test_a_feature_is_done_in_pods_and_the_session_shows_it(harness: ClusterHarness) -> None:
    programs(harness)
    assert harness.run("install").code == 0
    harness.commit("Have agents do what is marked [ASYNC]")
    implement(harness, "implement", flood=20_000)
    assert len(harness.namespace.jobs()) == 6


def test_an_agent_in_a_pod_whose_clone_has_the_bundle_hands_nothing_over(
    harness: ClusterHarness,
) -> None:
    assert harness.run("install").code == 0
    harness.tasks("- [ ] T001 [P] [ASYNC] Write `a.txt`\n- [ ] T002 [P] [ASYNC] Write `b.txt`\n")
    harness.template(Form.TWO)
    harness.use_opencode()
    asked = {"description": "d", "prompt": "Task T002.", "subagent_type": "async-runner"}
    spawn = shell("python3 .opencode/sdlc-runner/run.py spawn T002 --follow")
    turns = (
        calls(Call("task", asked), spawn),
        calls(write("@folder@/a.txt", "@results@")),
        says("Done."),
    )
    harness.model.rules(Rule("Implement task T001", turns))
    done = harness.run("run", "T001")
    assert done.code == 0, done.stdout
    written = harness.remote_file("a.txt")
    assert "prevents you" in written
    assert "no_remote" in written
    assert len(harness.namespace.jobs()) == 1
