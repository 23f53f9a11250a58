"""What the tests of an attempt's end share: one task, one attempt, hooks, a second machine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.harness import FEATURE

if TYPE_CHECKING:
    from support.harness import Result, Rig

BRANCH = f"sdlc-runner/{FEATURE}/T001-1"
REFS = f"refs/sdlc-runner/{FEATURE}/T001/1"
META = f"refs/heads/sdlc-runner-meta/{FEATURE}/T001/1"
ONE = "# Tasks\n\n## Phase 1: Setup\n\n- [ ] T001 [ASYNC] Write a.txt\n"
BUNDLE = ONE + "- [ ] T002 [ASYNC] Write more into a.txt\n"
SLEEP = "time.sleep(60)"
Verdict = tuple[str, str]


def spawn(rig: Rig, *args: str, **env: Any) -> Result:  # noqa: ANN401
    """Spawn and follow one attempt at T001."""
    if not rig.tasks_file.exists():
        rig.tasks(ONE)
    return rig.run("spawn", "T001", "--follow", *args, **env)


def verdict(result: Result, task: str = "T001") -> Verdict:
    """Return the newest outcome and its code."""
    event = result.outcome(task)
    return event["outcome"], event["code"]


def verified(rig: Rig, task: str = "T001", **env: Any) -> Verdict:  # noqa: ANN401
    """Judge from the remote."""
    return verdict(rig.run("verify", task, **env), task)


def elsewhere(rig: Rig) -> dict[str, Any]:
    """Return the environment of another user, who has nothing of the attempts."""
    home = rig.folder / "other"
    home.mkdir(exist_ok=True)
    return {"HOME": str(home), "XDG_STATE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}


def verified_elsewhere(rig: Rig, task: str = "T001") -> Verdict:
    """Judge as another user in a clone made just now."""
    clone = rig.folder / "clone"
    rig.git("clone", "--quiet", "--branch", FEATURE, str(rig.remote), str(clone), cwd=rig.folder)
    return verdict(rig.run("verify", task, cwd=clone, **elsewhere(rig)), task)


def stored(rig: Rig) -> dict[str, Any]:
    """Return the result in the transcript on the remote."""
    record: dict[str, Any] = json.loads(rig.remote_file("result.json", f"{REFS}/transcript"))
    return record


def message(rig: Rig, ref: str) -> str:
    """Return the message of a commit on the remote."""
    return rig.git("log", "-1", "--format=%B", ref, cwd=rig.remote)


def hook(rig: Rig, name: str, script: str) -> None:
    """Give the bare remote a hook; ``$folder`` is the rig's."""
    path = rig.remote / "hooks" / name
    path.write_text(f"#!/bin/sh\nfolder='{rig.folder}'\n{script}\n")
    path.chmod(0o755)


def pausing(rig: Rig, name: str, pattern: str) -> None:
    """Have a hook wait, when a ref fits, until the file ``go`` is there (``no``: refuse)."""
    hook(
        rig,
        name,
        f"""
while read old new ref; do case $ref in {pattern})
  touch $folder/reached
  while [ ! -e $folder/go ]; do [ -e $folder/no ] && exit 1; sleep 0.05; done;; esac; done""",
    )


def delete_ref(rig: Rig, ref: str) -> None:
    """Remove a ref from the remote."""
    rig.git("update-ref", "-d", ref, cwd=rig.remote)


def objects(rig: Rig) -> bytes:
    """Return every object that the remote holds, reachable or not."""
    done = subprocess.run(
        ["git", "cat-file", "--batch-all-objects", "--batch"],
        cwd=rig.remote,
        env=rig.env,
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
