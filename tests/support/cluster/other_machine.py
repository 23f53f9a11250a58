"""The same user at another machine: a checkout and a state directory of their own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from support.harness import FEATURE

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness


def other_machine(harness: ClusterHarness) -> ClusterHarness:
    """Clone the feature branch as it is on the remote."""
    folder = harness.folder / "elsewhere"
    shutil.copytree(harness.env["HOME"], folder / "home")
    own = {"HOME": "home", "XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config"}
    env = {**harness.env, **{name: str(folder / path) for name, path in own.items()}}
    made = replace(harness, folder=folder, env=env)
    args = ("clone", "--quiet", "--branch", FEATURE, harness.repository.host_url)
    made.git(*args, str(made.checkout), cwd=folder)
    return made
