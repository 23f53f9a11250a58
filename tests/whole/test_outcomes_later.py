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
    from support.harness import Harness

GIT_FILE = "pathlib.Path('a.txt').write_text('work')"


@pytest.fixture
def done(harness: Harness) -> Harness:
    """An attempt that succeeded."""
    assert verdict(spawn(harness)) == ("succeeded", "verified")
    return harness


def set_branch(harness: Harness, commit: str) -> None:
    harness.git("update-ref", f"refs/heads/{BRANCH}", commit, cwd=harness.remote)


def on_top(harness: Harness, parent: str | None, text: str) -> str:
    """Commit the branch's tree once more; return the commit."""
    tree = harness.git("rev-parse", f"{BRANCH}^{{tree}}", cwd=harness.remote)
    parents = ("-p", parent) if parent else ()
    return harness.git("commit-tree", tree, *parents, "-m", text, cwd=harness.remote)


def test_it_says_succeeded_and_nothing_is_there(done: Harness) -> None:
    delete_ref(done, f"refs/heads/{BRANCH}")
    assert verified(done) == verdict(done.run("follow", "T001")) == ("unverified", "nothing_pushed")
    assert done.run("verify", "T001").code == 1
    assert verified_elsewhere(done) == ("unverified", "nothing_pushed")


def test_the_branch_is_at_another_commit(done: Harness) -> None:
    set_branch(done, on_top(done, BRANCH, "T001: more"))
    assert verified(done) == verified_elsewhere(done) == ("unverified", "head_mismatch")


def test_the_branch_went_back_to_the_base(done: Harness) -> None:
    set_branch(done, done.git("rev-parse", FEATURE, cwd=done.remote))
    assert verified(done) == ("unverified", "head_mismatch")


def test_the_history_was_rewritten(done: Harness) -> None:
    set_branch(done, on_top(done, None, "T001: unrelated"))
    assert verified(done) == verified_elsewhere(done) == ("unverified", "history_rewritten")


@pytest.mark.parametrize("attempt", ["", "2"], ids=["no-trailers", "another-attempt"])
def test_commits_of_someone_else(done: Harness, attempt: str) -> None:
    text = "more"
    if attempt:
        text += f"\n\nFeature: {FEATURE}\nTask: T001\nAttempt: 2\nAgent-Status: succeeded"
    set_branch(done, on_top(done, BRANCH, text))
    delete_ref(done, f"{REFS}/transcript")
    assert verified(done) == ("unverified", "foreign_commits")
    shutil.rmtree(done.state)
    assert verified(done) == ("unverified", "foreign_commits")


def test_a_branch_without_commits_of_its_own(done: Harness) -> None:
    set_branch(done, done.git("rev-parse", FEATURE, cwd=done.remote))
    delete_ref(done, f"{REFS}/transcript")
    assert verified(done) == ("unverified", "foreign_commits")


def test_the_branch_alone_proves_success(done: Harness) -> None:
    delete_ref(done, f"{REFS}/transcript")
    expected = ("succeeded", "verified_without_result")
    assert verified(done) == verified_elsewhere(done) == expected
    assert verdict(done.run("follow", "T001")) == ("succeeded", "verified")  # its log is here


def test_no_change_without_its_transcript(harness: Harness) -> None:
    harness.agent("print('all there')")
    spawn(harness)
    delete_ref(harness, f"{REFS}/transcript")
    assert verdict(harness.run("follow", "T001")) == ("unverified", "no_evidence")
    assert verified(harness) == ("lost", "no_trace")
    assert verified_elsewhere(harness) == ("unverified", "no_result")


def test_exit_code_0_and_nothing_else(done: Harness) -> None:
    delete_ref(done, f"refs/heads/{BRANCH}")
    delete_ref(done, f"{REFS}/transcript")
    (done.attempt() / "events.jsonl").unlink()
    event = done.run("follow", "T001").outcome("T001")
    assert (event["outcome"], event["code"]) == ("unverified", "nothing_pushed")
    assert "exit code" in event["message"]


def test_without_its_start_there_was_no_attempt(done: Harness) -> None:
    delete_ref(done, f"{REFS}/start")
    shutil.rmtree(done.state)
    assert done.run("verify", "T001").error["code"] == "no_attempt"


def test_pushed_and_then_killed(harness: Harness) -> None:
    pausing(harness, "post-receive", "refs/heads/sdlc-runner/*")
    harness.tasks(ONE)
    harness.agent(GIT_FILE)
    harness.run("spawn", "T001")
    harness.wait_for(harness.folder / "reached")
    os.kill(harness.worker_pid(), signal.SIGKILL)
    (harness.folder / "go").touch()
    result = harness.run("follow", "T001")
    assert (result.code, verdict(result)) == (0, ("succeeded", "verified_without_result"))
    assert verified_elsewhere(harness) == ("succeeded", "verified_without_result")


def test_killed_before_it_began(harness: Harness) -> None:
    pausing(harness, "pre-receive", "refs/sdlc-runner/*/start")
    harness.tasks(ONE)
    harness.agent(GIT_FILE)
    harness.run("spawn", "T001")
    harness.wait_for(harness.folder / "reached")
    os.kill(harness.worker_pid(), signal.SIGKILL)
    (harness.folder / "no").touch()
    until(lambda: verdict(harness.run("follow", "T001"))[1] != "still_running")
    result = harness.run("follow", "T001")
    assert verdict(result) == ("interrupted", "ended_before_start")
    assert "spawn T001" in result.outcome("T001")["hint"]
    assert f"{REFS}/start" not in harness.remote_refs()
    hook(harness, "pre-receive", "")
    assert verdict(spawn(harness)) == ("succeeded", "verified")


def test_a_bundle_is_judged_task_by_task(harness: Harness) -> None:
    harness.tasks(BUNDLE)
    harness.agent("pathlib.Path('a.txt').write_text(task)\nif task == 'T002': sys.exit(1)")
    harness.run("run")
    delete_ref(harness, f"{REFS}/transcript")
    assert verified(harness, "T001") == ("succeeded", "verified_without_result")
    shutil.rmtree(harness.state)
    assert verified(harness, "T002") == ("lost", "no_trace")


def test_who_was_second_on_another_machine_says_the_truth(harness: Harness) -> None:
    pausing(harness, "pre-receive", "refs/sdlc-runner/*/start")
    harness.tasks(ONE)
    harness.agent(f"pathlib.Path('begun').touch(); {SLEEP}")
    harness.run("spawn", "T001")
    harness.run("spawn", "T001", **elsewhere(harness))  # neither has its lock yet
    others = harness.folder / "other" / "sdlc-runner" / "attempts"
    until(lambda: list(others.glob("*/pid")))
    (harness.folder / "go").touch()
    both = [harness.state / "attempts", others]
    until(lambda: [path for folder in both for path in folder.glob("*/exit.json")])
    lost = both.index(next(folder for folder in both if list(folder.glob("*/exit.json"))))
    loser, winner = [({}, elsewhere(harness))[index] for index in (lost, 1 - lost)]
    result = harness.run("follow", "T001", **loser)
    assert (result.code, verdict(result)) == (1, ("rejected", "already_started"))
    until(lambda: list(both[1 - lost].glob("*/work/begun")))
    assert not list(both[lost].glob("*/work/begun"))
    assert not [ref for ref in harness.remote_refs() if "sdlc-runner-meta" in ref]
    assert harness.run("cancel", "T001", **winner).outcome("T001")["outcome"] == "cancelled"
    assert verdict(harness.run("follow", "T001", **loser))[0] == "cancelled"


def test_a_bundle_starts_with_all_its_tasks_or_not_at_all(harness: Harness) -> None:
    harness.tasks(BUNDLE)
    taken = harness.git("rev-parse", "HEAD")
    start = f"refs/sdlc-runner/{FEATURE}/T002/1/start"
    pausing(harness, "pre-receive", "refs/sdlc-runner/*/start")
    run = harness.start("run", "--json")
    harness.wait_for(harness.folder / "reached")
    harness.git("update-ref", start, taken, cwd=harness.remote)  # another machine was faster
    (harness.folder / "go").touch()
    out, _ = run.communicate(timeout=30)
    assert '"outcome":"rejected","code":"already_started"' in out
    refs = harness.remote_refs()
    assert refs[start] == taken
    assert f"{REFS}/start" not in refs
    assert not [ref for ref in refs if "sdlc-runner-meta" in ref]
    assert not (harness.attempt() / "work" / "T001.txt").exists()
