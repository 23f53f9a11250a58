"""What the tests of an attempt's end share: one task, one attempt, hooks, a second machine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.harness import FEATURE

if TYPE_CHECKING:
    from support.harness import Harness, Result

BRANCH = f"sdlc-runner/{FEATURE}/T001-1"
REFS = f"refs/sdlc-runner/{FEATURE}/T001/1"
META = f"refs/heads/sdlc-runner-meta/{FEATURE}/T001/1"
ONE = "# Tasks\n\n## Phase 1: Setup\n\n- [ ] T001 [ASYNC] Write a.txt\n"
BUNDLE = ONE + "- [ ] T002 [ASYNC] Write more into a.txt\n"
SLEEP = "time.sleep(60)"
Verdict = tuple[str, str]


def spawn(harness: Harness, *args: str, **env: Any) -> Result:  # noqa: ANN401
    """Spawn and follow one attempt at T001."""
    if not harness.tasks_file.exists():
        harness.tasks(ONE)
    return harness.run("spawn", "T001", "--follow", *args, **env)


def verdict(result: Result, task: str = "T001") -> Verdict:
    """Return the newest outcome and its code."""
    event = result.outcome(task)
    return event["outcome"], event["code"]


def verified(harness: Harness, task: str = "T001", **env: Any) -> Verdict:  # noqa: ANN401
    """Judge from the remote."""
    return verdict(harness.run("verify", task, **env), task)


def elsewhere(harness: Harness) -> dict[str, Any]:
    """Return the environment of another user, who has nothing of the attempts."""
    home = harness.folder / "other"
    home.mkdir(exist_ok=True)
    return {"HOME": str(home), "XDG_STATE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}


def verified_elsewhere(harness: Harness, task: str = "T001") -> Verdict:
    """Judge as another user in a clone made just now."""
    clone = harness.folder / "clone"
    harness.git(
        "clone", "--quiet", "--branch", FEATURE, str(harness.remote), str(clone), cwd=harness.folder
    )
    return verdict(harness.run("verify", task, cwd=clone, **elsewhere(harness)), task)


def stored(harness: Harness) -> dict[str, Any]:
    """Return the result in the transcript on the remote."""
    record: dict[str, Any] = json.loads(harness.remote_file("result.json", f"{REFS}/transcript"))
    return record


def message(harness: Harness, ref: str) -> str:
    """Return the message of a commit on the remote."""
    return harness.git("log", "-1", "--format=%B", ref, cwd=harness.remote)


def hook(harness: Harness, name: str, script: str) -> None:
    """Give the bare remote a hook; ``$folder`` is the rig's."""
    path = harness.remote / "hooks" / name
    path.write_text(f"#!/bin/sh\nfolder='{harness.folder}'\n{script}\n")
    path.chmod(0o755)


def pausing(harness: Harness, name: str, pattern: str) -> None:
    """Have a hook wait, when a ref fits, until the file ``go`` is there (``no``: refuse)."""
    hook(
        harness,
        name,
        f"""
while read old new ref; do case $ref in {pattern})
  touch $folder/reached
  while [ ! -e $folder/go ]; do [ -e $folder/no ] && exit 1; sleep 0.05; done;; esac; done""",
    )


def delete_ref(harness: Harness, ref: str) -> None:
    """Remove a ref from the remote."""
    harness.git("update-ref", "-d", ref, cwd=harness.remote)


def objects(harness: Harness) -> bytes:
    """Return every object that the remote holds, reachable or not."""
    done = subprocess.run(
        ["git", "cat-file", "--batch-all-objects", "--batch"],
        cwd=harness.remote,
        env=harness.env,
        check=True,
        capture_output=True,
    )
    return done.stdout


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
