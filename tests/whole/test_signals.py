"""Being told to stop, or being killed, at any moment: nothing is lost and nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.attempt_scenes import (
    BRANCH,
    BUNDLE,
    ONE,
    REFS,
    SLEEP,
    hook,
    is_running,
    pausing,
    spawn,
    stored,
    verdict,
    verified,
)
from support.harness import FEATURE, until

if TYPE_CHECKING:
    from support.harness import Harness, Result

# Two files, one in git's own hands, and a child of its own; then it waits.
BUSY = f"""
pathlib.Path('a.txt').write_text('uncommitted')
pathlib.Path('b.txt').write_text('committed')
subprocess.run('git add b.txt; git -c user.name=A -c user.email=a@b commit -qm b', shell=True)
child = subprocess.Popen(['sleep', '61'])
pathlib.Path('.git/pids').write_text(f'{{os.getpid()}} {{child.pid}}')
{SLEEP}
"""


def begin(harness: Harness, script: str = "", tasks: str = ONE, *args: str) -> None:
    harness.tasks(tasks)
    if script:
        harness.agent(script)
    harness.run("spawn", "T001", *args)


def working(harness: Harness, *args: str) -> list[int]:
    """Start the busy agent; return its process id and its child's, once it waits."""
    begin(harness, BUSY, ONE, *args)
    file = harness.attempt() / "work/.git/pids"
    until(lambda: file.exists() and len(file.read_text().split()) == 2)
    return [int(word) for word in file.read_text().split()]


def terminate(harness: Harness, number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(harness.worker_pid(), number)


def ended(harness: Harness) -> tuple[Result, int]:
    """Follow to the end; return what was told and the worker's exit code."""
    result = harness.run("follow", "T001")
    return result, json.loads((harness.attempt() / "exit.json").read_text())["exit"]


def saved(harness: Harness) -> set[str]:
    names = harness.git("ls-tree", "-r", "--name-only", f"{REFS}/checkpoint", cwd=harness.remote)
    return set(names.splitlines())


def no_complaint(harness: Harness) -> bool:
    return not (harness.attempt() / "worker.log").read_text()


def test_while_cloning(harness: Harness) -> None:
    slow = harness.folder / "slow"  # only for a fetch that gets something: the attempt's own
    slow.write_text(f"#!/bin/sh\ntouch {harness.folder}/reached\nsleep 61\n")
    slow.chmod(0o755)
    config = Path(harness.env["HOME"]) / ".gitconfig"
    before = config.read_text()
    config.write_text(f"{before}[uploadpack]\n\tpackObjectsHook = {slow}\n")
    begin(harness)
    harness.wait_for(harness.folder / "reached")
    terminate(harness)
    result, code = ended(harness)
    assert (code, verdict(result)) == (143, ("interrupted", "signal"))
    assert f"{REFS}/start" not in harness.remote_refs()
    assert no_complaint(harness)
    config.write_text(before)
    assert verdict(spawn(harness)) == (
        "succeeded",
        "verified",
    )  # it had not begun: the same attempt


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_while_working(harness: Harness, number: signal.Signals) -> None:
    pids = working(harness)
    terminate(harness, number)
    result, code = ended(harness)
    assert (result.code, code, verdict(result)) == (1, 143, ("interrupted", "signal"))
    assert {"a.txt", "b.txt"} <= saved(harness)
    assert f"refs/heads/{BRANCH}" not in harness.remote_refs()
    assert not [pid for pid in pids if is_running(pid)]
    assert "retry T001 --from-checkpoint" in result.outcome("T001")["hint"]
    assert no_complaint(harness)


def test_cancel_is_reported_from_an_interruption(harness: Harness) -> None:
    pids = working(harness)
    result = harness.run("cancel", "T001")
    assert verdict(result) == verified(harness) == ("cancelled", "cancelled")
    assert stored(harness)["status"] == "cancelled"
    assert {"a.txt", "b.txt"} <= saved(harness)
    assert not [pid for pid in pids if is_running(pid)]


def test_an_agent_that_ignores_the_signal_is_killed_after_the_grace(harness: Harness) -> None:
    begin(
        harness,
        f"import signal; signal.signal(15, signal.SIG_IGN); open('a.txt', 'w').close(); {SLEEP}",
        ONE,
        "--set",
        "limits.grace_seconds=0.2",
    )
    harness.wait_for(harness.attempt() / "work/a.txt")
    terminate(harness)
    result, _ = ended(harness)
    assert verdict(result) == ("interrupted", "signal")
    assert "a.txt" in saved(harness)


@pytest.mark.parametrize("verb", ["signal", "cancel"])
def test_while_verifying(harness: Harness, verb: str) -> None:
    begin(harness, "", ONE, "--set", f"verify.commands='touch {harness.folder}/reached; sleep 61'")
    harness.wait_for(harness.folder / "reached")
    if verb == "signal":
        terminate(harness)
    else:
        harness.run("cancel", "T001")
    result, code = ended(harness)
    expected = ("interrupted", "signal") if verb == "signal" else ("cancelled", "cancelled")
    assert (code, verdict(result)) == (143, expected)
    assert "T001.txt" in saved(harness)


def test_while_committing(harness: Harness) -> None:
    """A clean filter of the user's own git makes staging slow."""
    config = Path(harness.env["HOME"]) / ".gitconfig"
    go, reached = harness.folder / "go", harness.folder / "reached"
    clean = f"touch {reached}; while [ ! -e {go} ]; do sleep 0.05; done; cat"
    config.write_text(config.read_text() + f'[filter "slow"]\n\tclean = "{clean}"\n')
    harness.write(".gitattributes", "T001.txt filter=slow\n")
    begin(harness)
    harness.wait_for(reached)
    terminate(harness)
    go.touch()
    result, code = ended(harness)
    assert (result.code, code, verdict(result)) == (0, 0, ("succeeded", "verified"))


def test_while_pushing(harness: Harness) -> None:
    pausing(harness, "pre-receive", "refs/heads/sdlc-runner/*")
    begin(harness)
    harness.wait_for(harness.folder / "reached")
    terminate(harness)
    (harness.folder / "go").touch()
    result, code = ended(harness)
    assert (result.code, code, verdict(result)) == (0, 0, ("succeeded", "verified"))


def test_while_taking_the_lock(harness: Harness) -> None:
    pausing(harness, "pre-receive", "refs/sdlc-runner/*/start")
    begin(harness, BUSY)
    harness.wait_for(harness.folder / "reached")
    terminate(harness)
    (harness.folder / "go").touch()
    result, code = ended(harness)
    assert (code, verdict(result)) == (143, ("interrupted", "signal"))
    assert verified(harness) == ("interrupted", "signal")


def test_a_bundle_keeps_what_is_done(harness: Harness) -> None:
    harness.tasks(BUNDLE)
    harness.agent(
        "pathlib.Path('a.txt').write_text(task)\n"
        f"if task == 'T002': pathlib.Path('b.txt').write_text('half'); {SLEEP}"
    )
    run = harness.start("run", "--json")
    until(lambda: list((harness.state / "attempts").glob("*/work/b.txt")))
    terminate(harness)
    run.communicate(timeout=30)
    assert verified(harness, "T001") == ("succeeded", "verified")
    assert verified(harness, "T002") == ("interrupted", "signal")
    assert harness.remote_file("a.txt", f"{REFS}/checkpoint") == "T002"
    assert "b.txt" in saved(harness)
    again = "pathlib.Path('c.txt').write_text(pathlib.Path('b.txt').read_text() + task)"
    harness.agent(again)
    result = harness.run("retry", "T002", "--from-checkpoint", "--follow")
    assert verdict(result, "T002") == ("succeeded", "verified")
    branch = result.outcome("T002")["branch"]
    assert harness.remote_file("c.txt", branch) == "halfT002"
    assert harness.remote_file("a.txt", branch) == "T002"


def test_kill_9_ends_the_agent_too_and_checkpoints_survive(harness: Harness) -> None:
    agent, _ = working(harness, "--set", "checkpoint.seconds=1")
    until(lambda: f"{REFS}/transcript" in harness.remote_refs())
    os.kill(harness.worker_pid(), signal.SIGKILL)
    until(lambda: not is_running(agent))
    result = harness.run("follow", "T001")
    assert (result.code, verdict(result)) == (1, ("interrupted", "killed"))
    assert "--from-checkpoint" in result.outcome("T001")["hint"]
    assert {"a.txt", "b.txt"} <= saved(harness)
    (event,) = [event for event in harness.journal() if event["type"] == "checkpoint"]
    assert (event["ref"], event["reason"]) == (f"{REFS}/checkpoint", "interval")
    assert harness.remote_refs()[event["ref"]] == event["commit"]
    shutil.rmtree(harness.state)
    assert "checkpoint" in [event["type"] for event in harness.run("logs", "T001").events]


def test_the_same_work_is_not_saved_twice(harness: Harness) -> None:
    hook(harness, "pre-receive", "cat >> $folder/pushed")
    working(harness, "--set", "checkpoint.seconds=1")
    until(lambda: f"{REFS}/checkpoint" in harness.remote_refs())
    before = harness.remote_refs()[f"{REFS}/checkpoint"]
    harness.run("follow", "T001", "--max-seconds", "1.5")
    terminate(harness)
    ended(harness)
    assert harness.remote_refs()[f"{REFS}/checkpoint"] == before
    assert (harness.folder / "pushed").read_text().count("checkpoint") == 1


def test_retry_goes_on_with_the_files_and_undoes_nobodys_work(harness: Harness) -> None:
    working(harness)
    terminate(harness)
    ended(harness)
    harness.write("others.txt", "merged meanwhile\n")
    moved = harness.commit("Work of others")
    harness.agent("pathlib.Path('c.txt').write_text(open('a.txt').read() + open('b.txt').read())")
    result = harness.run("retry", "T001", "--from-checkpoint", "--follow")
    event = result.outcome("T001")
    assert (verdict(result), event["attempt"]) == (("succeeded", "verified"), 2)
    changed = harness.git(
        "diff", "--name-status", f"{event['base']}..{event['head']}", cwd=harness.remote
    )
    assert changed.split() == ["A", "a.txt", "A", "b.txt", "A", "c.txt"]
    assert harness.run("merge").code == 0
    assert harness.remote_file("others.txt") == "merged meanwhile"
    assert harness.remote_file("c.txt") == "uncommittedcommitted"
    assert harness.ticked() == {"T001"}
    harness.git("merge-base", "--is-ancestor", moved, FEATURE, cwd=harness.remote)


def test_retry_begins_again_without_the_flag(harness: Harness) -> None:
    working(harness)
    terminate(harness)
    ended(harness)
    harness.agent("print(sorted(os.listdir()))")
    result = harness.run("retry", "T001", "--follow")
    assert verdict(result) == ("no_change", "no_change")
    (log,) = [event for event in harness.journal(number=2) if event["type"] == "log"]
    assert "a.txt" not in log["text"]


def test_retry_needs_a_checkpoint_to_go_on_from(harness: Harness) -> None:
    harness.agent("sys.exit(1)")
    spawn(harness)
    error = harness.run("retry", "T001", "--from-checkpoint").error
    assert error["code"] == "no_checkpoint"
    assert "retry T001" in error["hint"]


def test_what_may_run_elsewhere_is_not_started_beside(harness: Harness) -> None:
    agent, _ = working(harness)
    other = str(harness.folder / "other")
    refused = harness.run("retry", "T001", XDG_STATE_HOME=other)
    assert (refused.code, refused.error["code"]) == (2, "attempt_alive")
    assert "--force" in refused.error["hint"]
    assert verdict(harness.run("verify", "T001", XDG_STATE_HOME=other)) == (
        "unverified",
        "no_result",
    )
    forced = harness.run("retry", "T001", "--force", XDG_STATE_HOME=other)
    assert [event["attempt"] for event in forced.of("spawned")] == [2]
    until(lambda: "refs/sdlc-runner/001-demo/T001/2/start" in harness.remote_refs())
    harness.run("cancel", "T001", XDG_STATE_HOME=other)
    assert is_running(agent)


def test_nothing_of_the_agent_outlives_the_attempt(harness: Harness) -> None:
    pids = harness.folder / "pids"
    harness.tasks(ONE)
    harness.agent(f"""
        quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = subprocess.Popen(["sleep", "300"], start_new_session=True, **quiet)
        nested = "sleep 300 & echo $!"
        child = subprocess.run(["setsid", "sh", "-c", nested + " > {pids}.2"], **quiet)
        pathlib.Path("{pids}").write_text(str(server.pid))
        pathlib.Path("a.txt").touch()
    """)
    assert verdict(harness.run("spawn", "T001", "--follow")) == ("succeeded", "verified")
    for file in (pids, harness.folder / "pids.2"):
        assert not is_running(int(file.read_text()))
