"""Remotes that refuse, vanish or answer late, and disks without room."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.attempt_scenes import (
    BRANCH,
    BUNDLE,
    META,
    ONE,
    REFS,
    SLEEP,
    hook,
    pausing,
    spawn,
    stored,
    verdict,
    verified,
    verified_elsewhere,
)
from support.harness import FEATURE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.harness import Harness

WORK = "pathlib.Path('a.txt').write_text('work')\n"


def refuse(harness: Harness, pattern: str) -> None:
    hook(
        harness, "update", f'case "$1" in {pattern}) echo "protected by policy" >&2; exit 1;; esac'
    )


def test_a_remote_that_refuses_the_branch(harness: Harness) -> None:
    refuse(harness, "refs/heads/sdlc-runner/*")
    harness.agent(WORK)
    result = spawn(harness)
    event = result.outcome("T001")
    assert (result.code, verdict(result)) == (1, ("push_failed", "push_rejected"))
    assert "protected by policy" in event["message"]
    assert "retry T001 --from-checkpoint" in event["hint"]
    assert harness.remote_file("a.txt", f"{REFS}/checkpoint") == "work"
    assert verified_elsewhere(harness) == ("push_failed", "push_rejected")
    hook(harness, "update", "")
    harness.agent("pass")
    assert verdict(harness.run("retry", "T001", "--from-checkpoint", "--follow")) == (
        "succeeded",
        "verified",
    )


def test_a_bundle_whose_push_is_refused_keeps_the_commits_of_all(harness: Harness) -> None:
    refuse(harness, "refs/heads/sdlc-runner/*")
    harness.tasks(BUNDLE)
    harness.agent("pathlib.Path(f'{task}.txt').write_text(task)")
    result = harness.run("run")
    assert {verdict(result, task) for task in ("T001", "T002")} == {
        ("push_failed", "push_rejected")
    }
    assert harness.remote_file("T001.txt", f"{REFS}/checkpoint") == "T001"
    assert harness.remote_file("T002.txt", f"{REFS}/checkpoint") == "T002"


def test_a_remote_that_refuses_everything(harness: Harness) -> None:
    harness.tasks(ONE)
    refuse(harness, "refs/*")
    harness.agent("pathlib.Path('began').touch()")
    result = spawn(harness)
    event = result.outcome("T001")
    assert (result.code, verdict(result)) == (1, ("rejected", "push_rejected"))
    assert "protected by policy" in event["message"]
    assert "sdlc-runner-meta" in event["hint"]
    assert not (harness.attempt() / "work/began").exists()


@pytest.mark.parametrize("how", ["hook", "hidden"])
def test_a_remote_that_takes_branches_only(harness: Harness, how: str) -> None:
    if how == "hook":
        refuse(harness, "refs/sdlc-runner/*")
    else:
        harness.git("config", "transfer.hideRefs", "refs/sdlc-runner", cwd=harness.remote)
    harness.tasks(ONE + "- [ ] T002 [ASYNC] Write b.txt\n")
    harness.agent("pathlib.Path(task).write_text('work')\nif task == 'T002': sys.exit(1)")
    assert verdict(spawn(harness)) == ("succeeded", "verified")
    refs = set(harness.remote_refs())
    assert {f"{META}/start", f"{META}/transcript"} <= refs
    assert not [ref for ref in refs if ref.startswith("refs/sdlc-runner/")]
    shutil.rmtree(harness.state)
    assert verified(harness) == verified_elsewhere(harness) == ("succeeded", "verified")
    followed = harness.run("follow", "T001")  # the events come from the transcript now
    assert verdict(followed) == ("succeeded", "verified")
    assert followed.of("result")[0]["status"] == "succeeded"
    assert harness.run("logs", "T001").of("result")
    (row,) = harness.run("status").of("row")
    assert (row["state"], row["outcome"]) == ("ended", "succeeded")
    assert harness.run("merge").code == 0
    failed = harness.run("spawn", "T002", "--follow")
    meta = META.replace("T001", "T002")
    assert failed.outcome("T002")["checkpoint"] == f"{meta}/checkpoint"
    harness.agent("pathlib.Path('b.txt').write_text(pathlib.Path('T002').read_text())")
    again = harness.run("retry", "T002", "--from-checkpoint", "--follow")
    assert verdict(again, "T002") == ("succeeded", "verified")
    assert harness.run("merge").code == 0
    assert harness.run("gc").code == 0
    assert [ref for ref in harness.remote_refs() if "sdlc-runner" in ref] == []


def test_a_push_whose_answer_is_lost_has_arrived(harness: Harness) -> None:
    """The hook ends the connection after a ref was made and before git says so."""
    harness.tasks(ONE)
    hook(
        harness,
        "reference-transaction",
        """
[ $1 = committed ] || exit 0
while read old new ref; do case $ref in refs/heads/sdlc-runner/*|refs/sdlc-runner/*/start)
  echo $ref >> $folder/cut; kill -9 $PPID;; esac; done""",
    )
    harness.agent(WORK)
    result = spawn(harness)
    assert verdict(result) == ("succeeded", "verified")
    assert stored(harness)["status"] == "succeeded"
    assert (harness.folder / "cut").read_text().split() == [f"{REFS}/start", f"refs/heads/{BRANCH}"]


def test_a_remote_that_is_gone_for_a_moment(harness: Harness) -> None:
    away = harness.folder / "away.git"
    harness.agent(f"{WORK}os.rename({str(harness.remote)!r}, {str(away)!r})")
    harness.tasks(ONE)
    harness.run("spawn", "T001")
    harness.wait_for(away)
    until(lambda: any(event.get("phase") == "pushing" for event in harness.journal()))
    pid = harness.worker_pid()
    children = Path(f"/proc/{pid}/task/{pid}/children")
    until(lambda: not children.read_text())  # git has failed; the worker waits
    away.rename(harness.remote)
    assert verdict(harness.run("follow", "T001")) == ("succeeded", "verified")


@pytest.mark.slow
def test_a_remote_that_stays_away(harness: Harness) -> None:
    away = harness.folder / "away.git"
    harness.agent(f"{WORK}os.rename({str(harness.remote)!r}, {str(away)!r})")
    result = spawn(harness)
    assert result.code == 3
    assert result.error["code"] == "remote_unreachable"
    assert not (harness.attempt() / "worker.log").read_text()
    away.rename(harness.remote)
    result = harness.run("follow", "T001")
    assert verdict(result) == ("push_failed", "remote_unreachable")
    assert (harness.attempt() / "work/a.txt").read_text() == "work"


def test_a_lock_that_another_takes_at_the_same_moment_is_no_refusal(harness: Harness) -> None:
    """The host then only says that it could not update the ref."""
    harness.tasks(ONE)
    pausing(harness, "pre-receive", "refs/sdlc-runner/*/start")
    harness.agent("pathlib.Path('began').touch()")
    harness.run("spawn", "T001")
    harness.wait_for(harness.folder / "reached")
    taken = harness.git("rev-parse", FEATURE)
    harness.git("update-ref", f"{REFS}/start", taken, cwd=harness.remote)
    (harness.folder / "go").touch()
    result = harness.run("follow", "T001")
    assert verdict(result) == ("rejected", "already_started")
    assert f"{META}/start" not in harness.remote_refs()
    assert not (harness.attempt() / "work/began").exists()


@pytest.fixture
def small(harness: Harness) -> Iterator[Path]:
    """Give the rig a state directory of a few megabytes."""
    state = harness.folder / "state"
    state.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    size = ["-o", "size=5m"]
    done = subprocess.run(
        ["mount", "-t", "tmpfs", *size, "tmpfs", str(state)], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip(f"mount is not permitted: {done.stderr.decode().strip()}")
    yield state
    harness.kill_attempts()
    subprocess.run(["umount", "--lazy", str(state)], check=True)


@pytest.mark.usefixtures("small")
def test_a_disk_that_the_agent_fills(harness: Harness) -> None:
    harness.agent(
        WORK
        + """
try:
    with open('big.bin', 'wb') as file:
        while True: file.write(os.urandom(65536)); file.flush()
except OSError as error:
    print(error, flush=True)
"""
    )
    result = spawn(harness)
    assert (result.code, verdict(result)) == (1, ("failed", "disk_full"))
    assert "No space left" in result.outcome("T001")["message"]
    assert not (harness.attempt() / "worker.log").read_text()
    seqs = [event["seq"] for event in harness.journal()]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_disk_that_the_log_fills(harness: Harness, small: Path) -> None:
    harness.agent(f"for n in range(40_000): print(n, 'y' * 500)\n{SLEEP}")
    result = spawn(harness)
    assert (result.code, verdict(result)) == (1, ("failed", "disk_full"))
    seqs = [event["seq"] for event in harness.journal()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert harness.journal()[-1]["type"] == "result"
    assert not (harness.attempt() / "worker.log").read_text()
    assert small.exists()


def test_a_disk_that_is_full_from_the_start(harness: Harness, small: Path) -> None:
    harness.tasks(ONE)
    with (small / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    result = spawn(harness)
    told = result.of("error") or result.of("outcome")
    assert "Traceback" not in result.stderr
    assert result.code != 0
    assert told[0]["code"] in {"disk_full", "ended_before_start"}
    for log in small.glob("sdlc-runner/attempts/*/worker.log"):
        assert "Traceback" not in log.read_text()
    (small / "filler").unlink()
    assert verdict(spawn(harness)) == ("succeeded", "verified")
    assert BRANCH in result.stdout or f"refs/heads/{BRANCH}" in harness.remote_refs()
