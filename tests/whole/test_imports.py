"""``plan`` stays quick: it imports nothing large, starts few programs, needs no network."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.harness import Rig

# Each costs as much as a good part of the whole plan; yaml only where a file needs it.
LARGE = {"kubernetes", "rich", "jsonschema", "yaml", "http", "urllib.request", "asyncio", "ssl"}
OF_OTHER_VERBS = {"sdlc_runner.backends.local", "sdlc_runner.worker", "sdlc_runner.demo"}
TASKS = "- [ ] T001 [ASYNC] Write `one.txt`\n"


def imported(rig: Rig) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sdlc_runner", "plan"],
        cwd=rig.checkout,
        env=rig.env,
        check=True,
        capture_output=True,
        text=True,
    )
    assert '"planned"' in done.stdout
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


def test_imports_nothing_large(rig: Rig) -> None:
    rig.tasks(TASKS)
    names = imported(rig)
    assert "sdlc_runner.plan.planner" in names
    assert not names & (LARGE | OF_OTHER_VERBS)


@pytest.mark.parametrize(
    ("text", "wanted"), [("remote: origin\n", False), ("remote: &a origin", True)]
)
def test_reads_a_plain_file_without_yaml(rig: Rig, text: str, wanted: bool) -> None:  # noqa: FBT001
    rig.write(".opencode/sdlc-runner.yaml", text)
    rig.tasks(TASKS)
    assert ("yaml" in imported(rig)) == wanted


def test_needs_no_remote_at_all(rig: Rig) -> None:
    rig.tasks(TASKS)
    rig.git("remote", "set-url", "origin", "ssh://git@localhost/gone.git")
    asked = rig.folder / "asked"
    done = rig.run("plan", GIT_SSH_COMMAND=f"touch {asked}; false")
    assert done.code == 0
    assert done.of("planned", "T001")[0]["disposition"] == "ready"
    assert not asked.exists()
    rig.git("remote", "remove", "origin")
    assert rig.run("plan").code == 0


def test_starts_few_programs(rig: Rig) -> None:
    """Each start costs as much as Python's own."""
    rig.tasks(TASKS)
    started = rig.folder / "started"
    folder = rig.folder / "bin"
    folder.mkdir()
    real = rig.git("--exec-path") + "/git"
    (folder / "git").write_text(f'#!/bin/sh\necho "$@" >>{started}\nexec {real} "$@"\n')
    (folder / "git").chmod(0o755)
    rig.env["PATH"] = f"{folder}:{rig.env['PATH']}"
    assert rig.run("plan").code == 0
    assert len(started.read_text().splitlines()) <= 4
