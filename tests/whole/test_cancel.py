"""``cancel`` and ``retry``: an attempt ends when the user says so, and the next one begins."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from support.harness import FEATURE, until
from support.scripted_agents import ONE, WRITE, agent, go, held, runs, slow_git, talked

if TYPE_CHECKING:
    from support.harness import Rig

CHECKPOINT = f"refs/sdlc-runner/{FEATURE}/T001/1/checkpoint"
HALF = "pathlib.Path('half.txt').write_text('half')\nprint('half', flush=True)"


def half_done(rig: Rig) -> None:
    """Start an attempt at T001 that holds on with half of its work done."""
    held(rig, HALF)
    until(lambda: any(event.get("text") == "half" for event in rig.journal()))


def test_cancelled_it_says_so_and_the_work_is_in_the_checkpoint(rig: Rig) -> None:
    half_done(rig)
    result = rig.run("cancel", "T001")
    assert result.code == 0
    assert result.outcome("T001")["outcome"] == "cancelled"
    assert result.outcome("T001")["checkpoint"] == CHECKPOINT
    assert "--from-checkpoint" in result.outcome("T001")["hint"]
    assert rig.remote_file("half.txt", CHECKPOINT) == "half"
    assert f"refs/heads/sdlc-runner/{FEATURE}/T001-1" not in rig.remote_refs()
    assert rig.run("verify", "T001").outcome("T001")["outcome"] == "cancelled"


def test_a_follower_sees_the_cancelling(rig: Rig) -> None:
    half_done(rig)
    child = rig.start("follow", "T001")
    assert child.stdout is not None
    child.stdout.readline()
    rig.run("cancel", "t001")
    out, _ = child.communicate(timeout=20)
    assert child.returncode == 1
    assert '"outcome":"cancelled"' in out.splitlines()[-1]


def test_an_agent_that_will_not_end_is_ended(rig: Rig) -> None:
    rig.env["SDLC_RUNNER_LIMITS_GRACE_SECONDS"] = "0.5"
    held(rig, "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HALF)
    until(lambda: any(event.get("text") == "half" for event in rig.journal()))
    result = rig.run("cancel", "T001")
    assert result.outcome("T001")["outcome"] == "cancelled"


def test_what_does_not_run_cannot_be_cancelled_and_its_end_stays_what_it_was(rig: Rig) -> None:
    talked(rig, 1)
    result = rig.run("cancel", "T001")
    assert result.code == 0
    assert [event["code"] for event in result.events] == ["not_running"]
    assert rig.run("verify", "T001").outcome("T001")["outcome"] == "succeeded"


def test_a_task_without_an_attempt_cannot_be_cancelled(rig: Rig) -> None:
    rig.tasks(ONE)
    assert rig.run("cancel", "T001").error["code"] == "no_attempt"


def test_cancelled_while_it_clones_it_never_begins_and_can_begin_later(rig: Rig) -> None:
    rig.tasks(ONE)
    agent(rig)
    slow_git(rig, "fetch")
    rig.run("spawn", "T001")
    rig.wait_for(rig.folder / "reached")
    result = rig.run("cancel", "T001")
    assert result.outcome("T001")["outcome"] == "cancelled"
    assert not any("sdlc-runner" in ref for ref in rig.remote_refs())
    assert runs(rig) == {}
    (rig.folder / "slow").unlink()
    again = rig.run("spawn", "T001", "--follow")
    assert again.outcome("T001")["outcome"] == "succeeded"
    assert again.outcome("T001")["attempt"] == 1


def test_retry_makes_the_next_attempt_from_the_beginning(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent("sys.exit(1)")
    rig.run("spawn", "T001", "--follow")
    agent(rig)
    result = rig.run("retry", "T001", "--follow")
    assert result.code == 0
    assert result.outcome("T001")["attempt"] == 2
    assert result.outcome("T001")["branch"] == f"sdlc-runner/{FEATURE}/T001-2"
    assert rig.run("merge").code == 0
    assert rig.ticked() == {"T001"}


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_retry_goes_on_with_unfinished_work_only_when_asked(
    rig: Rig,
    from_checkpoint: bool,  # noqa: FBT001
) -> None:
    half_done(rig)
    rig.run("cancel", "T001")
    rig.agent("pathlib.Path('seen.txt').write_text(str(os.path.exists('half.txt')))")
    words = ["--from-checkpoint"] if from_checkpoint else []
    result = rig.run("retry", "T001", "--follow", *words)
    assert result.outcome("T001")["outcome"] == "succeeded"
    branch = f"sdlc-runner/{FEATURE}/T001-2"
    assert rig.remote_file("seen.txt", branch) == str(from_checkpoint)


def test_retry_without_a_checkpoint_says_so(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent("sys.exit(1)")
    rig.run("spawn", "T001", "--follow")
    result = rig.run("retry", "T001", "--from-checkpoint")
    assert (result.code, result.error["code"]) == (2, "no_checkpoint")


def test_what_runs_is_not_tried_again(rig: Rig) -> None:
    held(rig)
    result = rig.run("retry", "T001")
    assert (result.code, result.error["code"]) == (2, "attempt_alive")
    assert "sdlc-runner cancel T001" in result.error["hint"]
    go(rig)


def test_what_succeeded_is_not_tried_again(rig: Rig) -> None:
    talked(rig, 1)
    result = rig.run("retry", "T001")
    assert (result.code, result.error["code"]) == (2, "task_done")
    assert list((rig.state / "attempts").iterdir()) == [rig.attempt()]


def test_retry_of_a_broken_bundle_takes_only_what_is_undone(rig: Rig) -> None:
    rig.tasks("".join(f"- [ ] T00{n} [ASYNC] Part {n} of src/a.py\n" for n in (1, 2, 3)))
    rig.agent(WRITE + "sys.exit(task == 'T002')")
    rig.run("spawn", "T001", "T002", "T003", "--follow")
    agent(rig)
    result = rig.run("retry", "T002", "--follow")
    (spawned,) = result.of("spawned")
    assert spawned["tasks"] == ["T002", "T003"]
    assert result.code == 0
    assert list(runs(rig)) == ["T002", "T003"]


def test_two_retries_at_the_same_moment_are_one_attempt(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent("sys.exit(1)")
    rig.run("spawn", "T001", "--follow")
    agent(rig, "hold()\n" + WRITE)
    children = [rig.start("retry", "T001") for _ in range(2)]
    for child in children:
        child.communicate(timeout=30)
    until(lambda: runs(rig))
    go(rig)
    assert rig.run("follow", "T001").outcome("T001")["attempt"] == 2
    assert list(runs(rig)) == ["T001"]


def test_interrupting_cancel_leaves_the_cancelling_to_go_on(rig: Rig) -> None:
    rig.env["SDLC_RUNNER_LIMITS_GRACE_SECONDS"] = "0.5"
    held(rig, "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HALF)
    until(lambda: any(event.get("text") == "half" for event in rig.journal()))
    child = rig.start("cancel", "T001")
    until((rig.attempt() / "cancel").exists)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "Traceback" not in err
    until((rig.attempt() / "exit.json").exists, 30)
    assert rig.run("verify", "T001").outcome("T001")["outcome"] == "cancelled"
