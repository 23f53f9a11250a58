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
    from support.harness import Result, Rig

# Two files, one in git's own hands, and a child of its own; then it waits.
BUSY = f"""
pathlib.Path('a.txt').write_text('uncommitted')
pathlib.Path('b.txt').write_text('committed')
subprocess.run('git add b.txt; git -c user.name=A -c user.email=a@b commit -qm b', shell=True)
child = subprocess.Popen(['sleep', '61'])
pathlib.Path('.git/pids').write_text(f'{{os.getpid()}} {{child.pid}}')
{SLEEP}
"""


def begin(rig: Rig, script: str = "", tasks: str = ONE, *args: str) -> None:
    rig.tasks(tasks)
    if script:
        rig.agent(script)
    rig.run("spawn", "T001", *args)


def working(rig: Rig, *args: str) -> list[int]:
    """Start the busy agent; return its process id and its child's, once it waits."""
    begin(rig, BUSY, ONE, *args)
    file = rig.attempt() / "work/.git/pids"
    until(lambda: file.exists() and len(file.read_text().split()) == 2)
    return [int(word) for word in file.read_text().split()]


def terminate(rig: Rig, number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(rig.wrapper_pid(), number)


def ended(rig: Rig) -> tuple[Result, int]:
    """Follow to the end; return what was told and the wrapper's exit code."""
    result = rig.run("follow", "T001")
    return result, json.loads((rig.attempt() / "exit.json").read_text())["exit"]


def saved(rig: Rig) -> set[str]:
    names = rig.git("ls-tree", "-r", "--name-only", f"{REFS}/checkpoint", cwd=rig.remote)
    return set(names.splitlines())


def no_complaint(rig: Rig) -> bool:
    return not (rig.attempt() / "wrapper.log").read_text()


def test_while_cloning(rig: Rig) -> None:
    slow = rig.folder / "slow"  # only for a fetch that gets something: the attempt's own
    slow.write_text(f"#!/bin/sh\ntouch {rig.folder}/reached\nsleep 61\n")
    slow.chmod(0o755)
    config = Path(rig.env["HOME"]) / ".gitconfig"
    before = config.read_text()
    config.write_text(f"{before}[uploadpack]\n\tpackObjectsHook = {slow}\n")
    begin(rig)
    rig.wait_for(rig.folder / "reached")
    terminate(rig)
    result, code = ended(rig)
    assert (code, verdict(result)) == (143, ("interrupted", "signal"))
    assert f"{REFS}/start" not in rig.remote_refs()
    assert no_complaint(rig)
    config.write_text(before)
    assert verdict(spawn(rig)) == ("succeeded", "verified")  # it had not begun: the same attempt


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_while_working(rig: Rig, number: signal.Signals) -> None:
    pids = working(rig)
    terminate(rig, number)
    result, code = ended(rig)
    assert (result.code, code, verdict(result)) == (1, 143, ("interrupted", "signal"))
    assert {"a.txt", "b.txt"} <= saved(rig)
    assert f"refs/heads/{BRANCH}" not in rig.remote_refs()
    assert not [pid for pid in pids if is_running(pid)]
    assert "retry T001 --from-checkpoint" in result.outcome("T001")["hint"]
    assert no_complaint(rig)


def test_cancel_is_told_from_an_interruption(rig: Rig) -> None:
    pids = working(rig)
    result = rig.run("cancel", "T001")
    assert verdict(result) == verified(rig) == ("cancelled", "cancelled")
    assert stored(rig)["status"] == "cancelled"
    assert {"a.txt", "b.txt"} <= saved(rig)
    assert not [pid for pid in pids if is_running(pid)]


def test_an_agent_that_ignores_the_signal_is_killed_after_the_grace(rig: Rig) -> None:
    begin(
        rig,
        f"import signal; signal.signal(15, signal.SIG_IGN); open('a.txt', 'w').close(); {SLEEP}",
        ONE,
        "--set",
        "limits.grace_seconds=0.2",
    )
    rig.wait_for(rig.attempt() / "work/a.txt")
    terminate(rig)
    result, _ = ended(rig)
    assert verdict(result) == ("interrupted", "signal")
    assert "a.txt" in saved(rig)


@pytest.mark.parametrize("verb", ["signal", "cancel"])
def test_while_verifying(rig: Rig, verb: str) -> None:
    begin(rig, "", ONE, "--set", f"verify.commands='touch {rig.folder}/reached; sleep 61'")
    rig.wait_for(rig.folder / "reached")
    if verb == "signal":
        terminate(rig)
    else:
        rig.run("cancel", "T001")
    result, code = ended(rig)
    expected = ("interrupted", "signal") if verb == "signal" else ("cancelled", "cancelled")
    assert (code, verdict(result)) == (143, expected)
    assert "T001.txt" in saved(rig)


def test_while_committing(rig: Rig) -> None:
    """A clean filter of the user's own git makes staging slow."""
    config = Path(rig.env["HOME"]) / ".gitconfig"
    go, reached = rig.folder / "go", rig.folder / "reached"
    clean = f"touch {reached}; while [ ! -e {go} ]; do sleep 0.05; done; cat"
    config.write_text(config.read_text() + f'[filter "slow"]\n\tclean = "{clean}"\n')
    rig.write(".gitattributes", "T001.txt filter=slow\n")
    begin(rig)
    rig.wait_for(reached)
    terminate(rig)
    go.touch()
    result, code = ended(rig)
    assert (result.code, code, verdict(result)) == (0, 0, ("succeeded", "verified"))


def test_while_pushing(rig: Rig) -> None:
    pausing(rig, "pre-receive", "refs/heads/sdlc-runner/*")
    begin(rig)
    rig.wait_for(rig.folder / "reached")
    terminate(rig)
    (rig.folder / "go").touch()
    result, code = ended(rig)
    assert (result.code, code, verdict(result)) == (0, 0, ("succeeded", "verified"))


def test_while_taking_the_lock(rig: Rig) -> None:
    pausing(rig, "pre-receive", "refs/sdlc-runner/*/start")
    begin(rig, BUSY)
    rig.wait_for(rig.folder / "reached")
    terminate(rig)
    (rig.folder / "go").touch()
    result, code = ended(rig)
    assert (code, verdict(result)) == (143, ("interrupted", "signal"))
    assert verified(rig) == ("interrupted", "signal")


def test_a_bundle_keeps_what_is_done(rig: Rig) -> None:
    rig.tasks(BUNDLE)
    rig.agent(
        "pathlib.Path('a.txt').write_text(task)\n"
        f"if task == 'T002': pathlib.Path('b.txt').write_text('half'); {SLEEP}"
    )
    run = rig.start("run", "--json")
    until(lambda: list((rig.state / "attempts").glob("*/work/b.txt")))
    terminate(rig)
    run.communicate(timeout=30)
    assert verified(rig, "T001") == ("succeeded", "verified")
    assert verified(rig, "T002") == ("interrupted", "signal")
    assert rig.remote_file("a.txt", f"{REFS}/checkpoint") == "T002"
    assert "b.txt" in saved(rig)
    again = "pathlib.Path('c.txt').write_text(pathlib.Path('b.txt').read_text() + task)"
    rig.agent(again)
    result = rig.run("retry", "T002", "--from-checkpoint", "--follow")
    assert verdict(result, "T002") == ("succeeded", "verified")
    branch = result.outcome("T002")["branch"]
    assert rig.remote_file("c.txt", branch) == "halfT002"
    assert rig.remote_file("a.txt", branch) == "T002"


def test_kill_9_ends_the_agent_too_and_checkpoints_survive(rig: Rig) -> None:
    agent, _ = working(rig, "--set", "checkpoint.seconds=1")
    until(lambda: f"{REFS}/transcript" in rig.remote_refs())
    os.kill(rig.wrapper_pid(), signal.SIGKILL)
    until(lambda: not is_running(agent))
    result = rig.run("follow", "T001")
    assert (result.code, verdict(result)) == (1, ("interrupted", "killed"))
    assert "--from-checkpoint" in result.outcome("T001")["hint"]
    assert {"a.txt", "b.txt"} <= saved(rig)
    (event,) = [event for event in rig.journal() if event["type"] == "checkpoint"]
    assert (event["ref"], event["reason"]) == (f"{REFS}/checkpoint", "interval")
    assert rig.remote_refs()[event["ref"]] == event["commit"]
    shutil.rmtree(rig.state)
    assert "checkpoint" in [event["type"] for event in rig.run("logs", "T001").events]


def test_the_same_work_is_not_saved_twice(rig: Rig) -> None:
    hook(rig, "pre-receive", "cat >> $folder/pushed")
    working(rig, "--set", "checkpoint.seconds=1")
    until(lambda: f"{REFS}/checkpoint" in rig.remote_refs())
    before = rig.remote_refs()[f"{REFS}/checkpoint"]
    rig.run("follow", "T001", "--max-seconds", "1.5")
    terminate(rig)
    ended(rig)
    assert rig.remote_refs()[f"{REFS}/checkpoint"] == before
    assert (rig.folder / "pushed").read_text().count("checkpoint") == 1


def test_retry_goes_on_with_the_files_and_undoes_nobodys_work(rig: Rig) -> None:
    working(rig)
    terminate(rig)
    ended(rig)
    rig.write("others.txt", "merged meanwhile\n")
    moved = rig.commit("Work of others")
    rig.agent("pathlib.Path('c.txt').write_text(open('a.txt').read() + open('b.txt').read())")
    result = rig.run("retry", "T001", "--from-checkpoint", "--follow")
    event = result.outcome("T001")
    assert (verdict(result), event["attempt"]) == (("succeeded", "verified"), 2)
    changed = rig.git("diff", "--name-status", f"{event['base']}..{event['head']}", cwd=rig.remote)
    assert changed.split() == ["A", "a.txt", "A", "b.txt", "A", "c.txt"]
    assert rig.run("merge").code == 0
    assert rig.remote_file("others.txt") == "merged meanwhile"
    assert rig.remote_file("c.txt") == "uncommittedcommitted"
    assert rig.ticked() == {"T001"}
    rig.git("merge-base", "--is-ancestor", moved, FEATURE, cwd=rig.remote)


def test_retry_begins_anew_without_the_flag(rig: Rig) -> None:
    working(rig)
    terminate(rig)
    ended(rig)
    rig.agent("print(sorted(os.listdir()))")
    result = rig.run("retry", "T001", "--follow")
    assert verdict(result) == ("no_change", "no_change")
    (log,) = [event for event in rig.journal(number=2) if event["type"] == "log"]
    assert "a.txt" not in log["text"]


def test_retry_needs_a_checkpoint_to_go_on_from(rig: Rig) -> None:
    rig.agent("sys.exit(1)")
    spawn(rig)
    error = rig.run("retry", "T001", "--from-checkpoint").error
    assert error["code"] == "no_checkpoint"
    assert "retry T001" in error["hint"]


def test_what_may_run_elsewhere_is_not_started_beside(rig: Rig) -> None:
    agent, _ = working(rig)
    other = str(rig.folder / "other")
    refused = rig.run("retry", "T001", XDG_STATE_HOME=other)
    assert (refused.code, refused.error["code"]) == (2, "attempt_alive")
    assert "--force" in refused.error["hint"]
    assert verdict(rig.run("verify", "T001", XDG_STATE_HOME=other)) == ("unverified", "no_result")
    forced = rig.run("retry", "T001", "--force", XDG_STATE_HOME=other)
    assert [event["attempt"] for event in forced.of("spawned")] == [2]
    until(lambda: "refs/sdlc-runner/001-demo/T001/2/start" in rig.remote_refs())
    rig.run("cancel", "T001", XDG_STATE_HOME=other)
    assert is_running(agent)


def test_nothing_of_the_agent_outlives_the_attempt(rig: Rig) -> None:
    pids = rig.folder / "pids"
    rig.tasks(ONE)
    rig.agent(f"""
        quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = subprocess.Popen(["sleep", "300"], start_new_session=True, **quiet)
        nested = "sleep 300 & echo $!"
        child = subprocess.run(["setsid", "sh", "-c", nested + " > {pids}.2"], **quiet)
        pathlib.Path("{pids}").write_text(str(server.pid))
        pathlib.Path("a.txt").touch()
    """)
    assert verdict(rig.run("spawn", "T001", "--follow")) == ("succeeded", "verified")
    for file in (pids, rig.folder / "pids.2"):
        assert not is_running(int(file.read_text()))
