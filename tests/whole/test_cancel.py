"""``cancel`` and ``retry``: an attempt ends when the user says so, and the next one begins."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from support.harness import FEATURE, until
from support.scripted_agents import ONE, WRITE, agent, go, held, runs, slow_git, talked

if TYPE_CHECKING:
    from support.harness import Harness

CHECKPOINT = f"refs/sdlc-runner/{FEATURE}/T001/1/checkpoint"
HALF = "pathlib.Path('half.txt').write_text('half')\nprint('half', flush=True)"


def half_done(harness: Harness) -> None:
    """Start an attempt at T001 that holds on with half of its work done."""
    held(harness, HALF)
    until(lambda: any(event.get("text") == "half" for event in harness.journal()))


def test_cancelled_it_says_so_and_the_work_is_in_the_checkpoint(harness: Harness) -> None:
    half_done(harness)
    result = harness.run("cancel", "T001")
    assert result.code == 0
    assert result.outcome("T001")["outcome"] == "cancelled"
    assert result.outcome("T001")["checkpoint"] == CHECKPOINT
    assert "--from-checkpoint" in result.outcome("T001")["hint"]
    assert harness.remote_file("half.txt", CHECKPOINT) == "half"
    assert f"refs/heads/sdlc-runner/{FEATURE}/T001-1" not in harness.remote_refs()
    assert harness.run("verify", "T001").outcome("T001")["outcome"] == "cancelled"


def test_a_follower_sees_the_cancelling(harness: Harness) -> None:
    half_done(harness)
    child = harness.start("follow", "T001")
    assert child.stdout is not None
    child.stdout.readline()
    harness.run("cancel", "t001")
    out, _ = child.communicate(timeout=20)
    assert child.returncode == 1
    assert '"outcome":"cancelled"' in out.splitlines()[-1]


def test_an_agent_that_will_not_end_is_ended(harness: Harness) -> None:
    harness.env["SDLC_RUNNER_LIMITS_GRACE_SECONDS"] = "0.5"
    held(harness, "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HALF)
    until(lambda: any(event.get("text") == "half" for event in harness.journal()))
    result = harness.run("cancel", "T001")
    assert result.outcome("T001")["outcome"] == "cancelled"


def test_what_does_not_run_cannot_be_cancelled_and_its_end_stays_what_it_was(
    harness: Harness,
) -> None:
    talked(harness, 1)
    result = harness.run("cancel", "T001")
    assert result.code == 0
    assert [event["code"] for event in result.events] == ["not_running"]
    assert harness.run("verify", "T001").outcome("T001")["outcome"] == "succeeded"


def test_a_task_without_an_attempt_cannot_be_cancelled(harness: Harness) -> None:
    harness.tasks(ONE)
    assert harness.run("cancel", "T001").error["code"] == "no_attempt"


def test_cancelled_while_it_clones_it_never_begins_and_can_begin_later(harness: Harness) -> None:
    harness.tasks(ONE)
    agent(harness)
    slow_git(harness, "fetch")
    harness.run("spawn", "T001")
    harness.wait_for(harness.folder / "reached")
    result = harness.run("cancel", "T001")
    assert result.outcome("T001")["outcome"] == "cancelled"
    assert not any("sdlc-runner" in ref for ref in harness.remote_refs())
    assert runs(harness) == {}
    (harness.folder / "slow").unlink()
    again = harness.run("spawn", "T001", "--follow")
    assert again.outcome("T001")["outcome"] == "succeeded"
    assert again.outcome("T001")["attempt"] == 1


def test_retry_makes_the_next_attempt_from_the_beginning(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.agent("sys.exit(1)")
    harness.run("spawn", "T001", "--follow")
    agent(harness)
    result = harness.run("retry", "T001", "--follow")
    assert result.code == 0
    assert result.outcome("T001")["attempt"] == 2
    assert result.outcome("T001")["branch"] == f"sdlc-runner/{FEATURE}/T001-2"
    assert harness.run("merge").code == 0
    assert harness.ticked() == {"T001"}


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_retry_goes_on_with_unfinished_work_only_when_asked(
    harness: Harness,
    from_checkpoint: bool,  # noqa: FBT001
) -> None:
    half_done(harness)
    harness.run("cancel", "T001")
    harness.agent("pathlib.Path('seen.txt').write_text(str(os.path.exists('half.txt')))")
    words = ["--from-checkpoint"] if from_checkpoint else []
    result = harness.run("retry", "T001", "--follow", *words)
    assert result.outcome("T001")["outcome"] == "succeeded"
    branch = f"sdlc-runner/{FEATURE}/T001-2"
    assert harness.remote_file("seen.txt", branch) == str(from_checkpoint)


def test_retry_without_a_checkpoint_says_so(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.agent("sys.exit(1)")
    harness.run("spawn", "T001", "--follow")
    result = harness.run("retry", "T001", "--from-checkpoint")
    assert (result.code, result.error["code"]) == (2, "no_checkpoint")


def test_what_runs_is_not_tried_again(harness: Harness) -> None:
    held(harness)
    result = harness.run("retry", "T001")
    assert (result.code, result.error["code"]) == (2, "attempt_alive")
    assert "sdlc-runner cancel T001" in result.error["hint"]
    go(harness)


def test_what_succeeded_is_not_tried_again(harness: Harness) -> None:
    talked(harness, 1)
    result = harness.run("retry", "T001")
    assert (result.code, result.error["code"]) == (2, "task_done")
    assert list((harness.state / "attempts").iterdir()) == [harness.attempt()]


def test_retry_of_a_broken_bundle_takes_only_what_is_undone(harness: Harness) -> None:
    harness.tasks("".join(f"- [ ] T00{n} [ASYNC] Part {n} of src/a.py\n" for n in (1, 2, 3)))
    harness.agent(WRITE + "sys.exit(task == 'T002')")
    harness.run("spawn", "T001", "T002", "T003", "--follow")
    agent(harness)
    result = harness.run("retry", "T002", "--follow")
    (spawned,) = result.of("spawned")
    assert spawned["tasks"] == ["T002", "T003"]
    assert result.code == 0
    assert list(runs(harness)) == ["T002", "T003"]


def test_two_retries_at_the_same_moment_are_one_attempt(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.agent("sys.exit(1)")
    harness.run("spawn", "T001", "--follow")
    agent(harness, "hold()\n" + WRITE)
    children = [harness.start("retry", "T001") for _ in range(2)]
    for child in children:
        child.communicate(timeout=30)
    until(lambda: runs(harness))
    go(harness)
    assert harness.run("follow", "T001").outcome("T001")["attempt"] == 2
    assert list(runs(harness)) == ["T001"]


def test_interrupting_cancel_leaves_the_cancelling_to_go_on(harness: Harness) -> None:
    harness.env["SDLC_RUNNER_LIMITS_GRACE_SECONDS"] = "0.5"
    held(harness, "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HALF)
    until(lambda: any(event.get("text") == "half" for event in harness.journal()))
    child = harness.start("cancel", "T001")
    until((harness.attempt() / "cancel").exists)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "Traceback" not in err
    until((harness.attempt() / "exit.json").exists, 30)
    assert harness.run("verify", "T001").outcome("T001")["outcome"] == "cancelled"
