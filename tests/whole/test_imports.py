"""``plan`` stays quick: it imports nothing large, starts few programs, needs no network."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.harness import Harness

# Each costs as much as a good part of the whole plan; yaml only where a file needs it.
LARGE = {"kubernetes", "rich", "jsonschema", "yaml", "http", "urllib.request", "asyncio", "ssl"}
OF_OTHER_VERBS = {"sdlc_runner.backends.local", "sdlc_runner.worker", "sdlc_runner.demo"}
TASKS = "- [ ] T001 [ASYNC] Write `one.txt`\n"


def imported(harness: Harness) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sdlc_runner", "plan"],
        cwd=harness.checkout,
        env=harness.env,
        check=True,
        capture_output=True,
        text=True,
    )
    assert '"planned"' in done.stdout
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


def test_imports_nothing_large(harness: Harness) -> None:
    harness.tasks(TASKS)
    names = imported(harness)
    assert "sdlc_runner.plan.planner" in names
    assert not names & (LARGE | OF_OTHER_VERBS)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [("jsonc", '{"remote": "origin"}', False), ("yaml", "remote: origin\n", True)],
)
def test_settings_need_no_yaml(harness: Harness, name: str, text: str, wanted: bool) -> None:  # noqa: FBT001
    harness.write(f".opencode/sdlc-runner.{name}", text)
    harness.tasks(TASKS)
    assert ("yaml" in imported(harness)) == wanted


def test_needs_no_remote_at_all(harness: Harness) -> None:
    harness.tasks(TASKS)
    harness.git("remote", "set-url", "origin", "ssh://git@localhost/gone.git")
    asked = harness.folder / "asked"
    done = harness.run("plan", GIT_SSH_COMMAND=f"touch {asked}; false")
    assert done.code == 0
    assert done.of("planned", "T001")[0]["disposition"] == "ready"
    assert not asked.exists()
    harness.git("remote", "remove", "origin")
    assert harness.run("plan").code == 0


def test_starts_few_programs(harness: Harness) -> None:
    """Each start costs as much as Python's own."""
    harness.tasks(TASKS)
    started = harness.folder / "started"
    folder = harness.folder / "bin"
    folder.mkdir()
    real = harness.git("--exec-path") + "/git"
    (folder / "git").write_text(f'#!/bin/sh\necho "$@" >>{started}\nexec {real} "$@"\n')
    (folder / "git").chmod(0o755)
    harness.env["PATH"] = f"{folder}:{harness.env['PATH']}"
    assert harness.run("plan").code == 0
    assert len(started.read_text().splitlines()) <= 4
