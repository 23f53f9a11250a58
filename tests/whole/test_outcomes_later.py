"""What becomes of a verdict when the remote, or this machine, changes after the attempt."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from support.attempt_scenes import (
    BRANCH,
    BUNDLE,
    ONE,
    REFS,
    SLEEP,
    delete_ref,
    elsewhere,
    hook,
    pausing,
    spawn,
    verdict,
    verified,
    verified_elsewhere,
)
from support.harness import FEATURE, until

if TYPE_CHECKING:
    from support.harness import Rig

GIT_FILE = "pathlib.Path('a.txt').write_text('work')"


@pytest.fixture
def done(rig: Rig) -> Rig:
    """An attempt that succeeded."""
    assert verdict(spawn(rig)) == ("succeeded", "verified")
    return rig


def set_branch(rig: Rig, commit: str) -> None:
    rig.git("update-ref", f"refs/heads/{BRANCH}", commit, cwd=rig.remote)


def on_top(rig: Rig, parent: str | None, text: str) -> str:
    """Commit the branch's tree once more; return the commit."""
    tree = rig.git("rev-parse", f"{BRANCH}^{{tree}}", cwd=rig.remote)
    parents = ("-p", parent) if parent else ()
    return rig.git("commit-tree", tree, *parents, "-m", text, cwd=rig.remote)


def test_it_says_succeeded_and_nothing_is_there(done: Rig) -> None:
    delete_ref(done, f"refs/heads/{BRANCH}")
    assert verified(done) == verdict(done.run("follow", "T001")) == ("unverified", "nothing_pushed")
    assert done.run("verify", "T001").code == 1
    assert verified_elsewhere(done) == ("unverified", "nothing_pushed")


def test_the_branch_is_at_another_commit(done: Rig) -> None:
    set_branch(done, on_top(done, BRANCH, "T001: more"))
    assert verified(done) == verified_elsewhere(done) == ("unverified", "head_mismatch")


def test_the_branch_went_back_to_the_base(done: Rig) -> None:
    set_branch(done, done.git("rev-parse", FEATURE, cwd=done.remote))
    assert verified(done) == ("unverified", "head_mismatch")


def test_the_history_was_rewritten(done: Rig) -> None:
    set_branch(done, on_top(done, None, "T001: unrelated"))
    assert verified(done) == verified_elsewhere(done) == ("unverified", "history_rewritten")


@pytest.mark.parametrize("attempt", ["", "2"], ids=["no-trailers", "another-attempt"])
def test_commits_of_somebody_else(done: Rig, attempt: str) -> None:
    text = "more"
    if attempt:
        text += f"\n\nFeature: {FEATURE}\nTask: T001\nAttempt: 2\nAgent-Status: succeeded"
    set_branch(done, on_top(done, BRANCH, text))
    delete_ref(done, f"{REFS}/transcript")
    assert verified(done) == ("unverified", "foreign_commits")
    shutil.rmtree(done.state)
    assert verified(done) == ("unverified", "foreign_commits")


def test_a_branch_without_commits_of_its_own(done: Rig) -> None:
    set_branch(done, done.git("rev-parse", FEATURE, cwd=done.remote))
    delete_ref(done, f"{REFS}/transcript")
    assert verified(done) == ("unverified", "foreign_commits")


def test_the_branch_alone_proves_success(done: Rig) -> None:
    delete_ref(done, f"{REFS}/transcript")
    expected = ("succeeded", "verified_without_result")
    assert verified(done) == verified_elsewhere(done) == expected
    assert verdict(done.run("follow", "T001")) == ("succeeded", "verified")  # its log is here


def test_no_change_without_its_transcript(rig: Rig) -> None:
    rig.agent("print('all there')")
    spawn(rig)
    delete_ref(rig, f"{REFS}/transcript")
    assert verdict(rig.run("follow", "T001")) == ("unverified", "no_evidence")
    assert verified(rig) == ("lost", "no_trace")
    assert verified_elsewhere(rig) == ("unverified", "no_result")


def test_exit_code_0_and_nothing_else(done: Rig) -> None:
    delete_ref(done, f"refs/heads/{BRANCH}")
    delete_ref(done, f"{REFS}/transcript")
    (done.attempt() / "events.jsonl").unlink()
    event = done.run("follow", "T001").outcome("T001")
    assert (event["outcome"], event["code"]) == ("unverified", "nothing_pushed")
    assert "exit code" in event["message"]


def test_without_its_start_there_was_no_attempt(done: Rig) -> None:
    delete_ref(done, f"{REFS}/start")
    shutil.rmtree(done.state)
    assert done.run("verify", "T001").error["code"] == "no_attempt"


def test_pushed_and_then_killed(rig: Rig) -> None:
    pausing(rig, "post-receive", "refs/heads/sdlc-runner/*")
    rig.tasks(ONE)
    rig.agent(GIT_FILE)
    rig.run("spawn", "T001")
    rig.wait_for(rig.folder / "reached")
    os.kill(rig.wrapper_pid(), signal.SIGKILL)
    (rig.folder / "go").touch()
    result = rig.run("follow", "T001")
    assert (result.code, verdict(result)) == (0, ("succeeded", "verified_without_result"))
    assert verified_elsewhere(rig) == ("succeeded", "verified_without_result")


def test_killed_before_it_began(rig: Rig) -> None:
    pausing(rig, "pre-receive", "refs/sdlc-runner/*/start")
    rig.tasks(ONE)
    rig.agent(GIT_FILE)
    rig.run("spawn", "T001")
    rig.wait_for(rig.folder / "reached")
    os.kill(rig.wrapper_pid(), signal.SIGKILL)
    (rig.folder / "no").touch()
    until(lambda: verdict(rig.run("follow", "T001"))[1] != "still_running")
    result = rig.run("follow", "T001")
    assert verdict(result) == ("interrupted", "ended_before_start")
    assert "spawn T001" in result.outcome("T001")["hint"]
    assert f"{REFS}/start" not in rig.remote_refs()
    hook(rig, "pre-receive", "")
    assert verdict(spawn(rig)) == ("succeeded", "verified")


def test_a_bundle_is_judged_task_by_task(rig: Rig) -> None:
    rig.tasks(BUNDLE)
    rig.agent("pathlib.Path('a.txt').write_text(task)\nif task == 'T002': sys.exit(1)")
    rig.run("run")
    delete_ref(rig, f"{REFS}/transcript")
    assert verified(rig, "T001") == ("succeeded", "verified_without_result")
    shutil.rmtree(rig.state)
    assert verified(rig, "T002") == ("lost", "no_trace")


def test_who_was_second_on_another_machine_tells_the_truth(rig: Rig) -> None:
    pausing(rig, "pre-receive", "refs/sdlc-runner/*/start")
    rig.tasks(ONE)
    rig.agent(f"pathlib.Path('begun').touch(); {SLEEP}")
    rig.run("spawn", "T001")
    rig.run("spawn", "T001", **elsewhere(rig))  # neither has its lock yet
    others = rig.folder / "other" / "sdlc-runner" / "attempts"
    until(lambda: list(others.glob("*/pid")))
    (rig.folder / "go").touch()
    both = [rig.state / "attempts", others]
    until(lambda: [path for folder in both for path in folder.glob("*/exit.json")])
    lost = both.index(next(folder for folder in both if list(folder.glob("*/exit.json"))))
    loser, winner = [({}, elsewhere(rig))[index] for index in (lost, 1 - lost)]
    result = rig.run("follow", "T001", **loser)
    assert (result.code, verdict(result)) == (1, ("rejected", "already_started"))
    until(lambda: list(both[1 - lost].glob("*/work/begun")))
    assert not list(both[lost].glob("*/work/begun"))
    assert not [ref for ref in rig.remote_refs() if "sdlc-runner-meta" in ref]
    assert rig.run("cancel", "T001", **winner).outcome("T001")["outcome"] == "cancelled"
    assert verdict(rig.run("follow", "T001", **loser))[0] == "cancelled"


def test_a_bundle_starts_with_all_its_tasks_or_not_at_all(rig: Rig) -> None:
    rig.tasks(BUNDLE)
    taken = rig.git("rev-parse", "HEAD")
    start = f"refs/sdlc-runner/{FEATURE}/T002/1/start"
    pausing(rig, "pre-receive", "refs/sdlc-runner/*/start")
    run = rig.start("run", "--json")
    rig.wait_for(rig.folder / "reached")
    rig.git("update-ref", start, taken, cwd=rig.remote)  # another machine was faster
    (rig.folder / "go").touch()
    out, _ = run.communicate(timeout=30)
    assert '"outcome":"rejected","code":"already_started"' in out
    refs = rig.remote_refs()
    assert refs[start] == taken
    assert f"{REFS}/start" not in refs
    assert not [ref for ref in refs if "sdlc-runner-meta" in ref]
    assert not (rig.attempt() / "work" / "T001.txt").exists()
