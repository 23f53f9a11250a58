"""``spawn``: one attempt whatever happens to its starter, and never a second one."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from support.harness import FEATURE, parse, until
from support.scripted_agents import ONE, WRITE, agent, go, runs, slow_git, whole

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from support.harness import Event, Harness

TWO = ONE + "- [ ] T002 [P] [ASYNC] Write T002.txt\n"


def ends(started: Sequence[subprocess.Popen[str]]) -> list[list[Event]]:
    found = []
    for child in started:
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        found.append(parse(out))
    return found


def types(events: Sequence[Event]) -> list[str]:
    return [event["type"] for event in events]


def test_spawn_starts_one_attempt_and_says_where(harness: Harness) -> None:
    harness.tasks(ONE)
    agent(harness, f"hold()\n{WRITE}")
    result = harness.run("spawn", "T001")
    (event,) = result.events
    assert result.code == 0
    assert event["type"] == "spawned"
    assert (event["task"], event["attempt"], event["tasks"]) == ("T001", 1, ["T001"])
    assert event["where"] == str(harness.attempt())
    assert event["branch"] == f"sdlc-runner/{FEATURE}/T001-1"
    assert event["base"] == harness.git("rev-parse", "HEAD")
    go(harness)
    assert harness.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"


@pytest.mark.parametrize("word", ["t001", "task-001", "TASK-T001", "001"])
def test_a_task_may_be_named_as_people_type_it(harness: Harness, word: str) -> None:
    harness.tasks(ONE)
    agent(harness)
    assert harness.run("spawn", word, "--follow").outcome("T001")["outcome"] == "succeeded"
    again = harness.run("spawn", word)
    assert again.outcome("T001")["outcome"] == "succeeded"
    assert list(runs(harness)) == ["T001"]


@pytest.mark.parametrize("count", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_the_same_call_at_the_same_moment_is_one_attempt(harness: Harness, count: int) -> None:
    harness.tasks(ONE)
    agent(harness, f"hold()\n{WRITE}")
    seen = ends([harness.start("spawn", "T001") for _ in range(count)])
    assert sorted(types(events)[0] for events in seen) == ["attached"] * (count - 1) + ["spawned"]
    until(lambda: runs(harness))
    go(harness)
    assert harness.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"
    assert list(runs(harness)) == ["T001"]


@pytest.mark.slow
def test_killed_at_any_moment_and_called_again_the_agent_runs_once(harness: Harness) -> None:
    harness.tasks("".join(f"- [ ] T{n:03} [P] [ASYNC] Write T{n:03}.txt\n" for n in range(1, 13)))
    agent(harness)
    for number in range(1, 13):
        child = harness.start("spawn", f"T{number:03}")
        time.sleep(number * 0.025)
        child.kill()
        child.communicate()
        ended = harness.run("spawn", f"T{number:03}", "--follow")
        assert ended.outcome(f"T{number:03}")["outcome"] == "succeeded"
    assert list(runs(harness)) == [f"T{n:03}" for n in range(1, 13)]


def test_one_call_may_name_several_tasks(harness: Harness) -> None:
    harness.tasks(TWO.replace("T001 [ASYNC]", "T001 [P] [ASYNC]"))
    agent(harness)
    result = harness.run("spawn", "T001", "T002", "--follow")
    assert result.code == 0
    assert [event["task"] for event in result.of("spawned")] == ["T001", "T002"]
    assert {event["task"] for event in result.of("outcome")} == {"T001", "T002"}
    assert sorted(runs(harness)) == ["T001", "T002"]


def test_all_are_checked_before_any_is_started(harness: Harness) -> None:
    harness.tasks(ONE + "- [ ] T002 [SYNC] Decide\n")
    result = harness.run("spawn", "T001", "T002")
    assert result.code == 2
    assert result.error["code"] == "task_not_async"
    assert result.error["line"] == 2
    assert not (harness.state / "attempts").exists()


BUNDLE = """\
- [ ] T001 [ASYNC] Begin src/a.py
- [ ] T002 [ASYNC] Go on with src/a.py
- [ ] T003 [ASYNC] End src/a.py
"""


def test_a_bundle_is_one_attempt_with_a_commit_and_an_outcome_for_each_task(
    harness: Harness,
) -> None:
    harness.tasks(BUNDLE)
    agent(harness)
    result = harness.run("spawn", "T001", "T002", "T003", "--follow")
    (spawned,) = result.of("spawned")
    assert spawned["tasks"] == ["T001", "T002", "T003"]
    assert [event["task"] for event in result.of("outcome")] == ["T001", "T002", "T003"]
    assert {event["bundle"] for event in result.of("outcome")} == {"T001"}
    log = harness.git(
        "log",
        "--reverse",
        "--format=%(trailers:key=Task,valueonly,separator=%x2C)",
        f"{spawned['base']}..{spawned['branch']}",
        cwd=harness.remote,
    )
    assert log.split() == ["T001", "T002", "T003"]
    assert list(runs(harness)) == ["T001", "T002", "T003"]


def test_however_much_a_bundle_says_its_result_reaches_who_follows(harness: Harness) -> None:
    harness.tasks("".join(f"- [ ] T{n:03} [ASYNC] Part {n} of src/a.py\n" for n in range(1, 9)))
    agent(harness, "print('é' * 3900)\n" + WRITE)
    words = [f"T{n:03}" for n in range(1, 9)]
    result = harness.run("spawn", *words, "--follow", "--detail", "full")
    assert result.code == 0
    assert [event["seq"] for event in result.events if "seq" in event] == whole(harness)
    (claim,) = result.of("result")
    assert [record["task"] for record in claim["tasks"]] == words


def test_a_bundle_that_breaks_keeps_what_was_done_before(harness: Harness) -> None:
    harness.tasks(BUNDLE)
    agent(harness, WRITE + "sys.exit(task == 'T002')")
    result = harness.run("spawn", "T001", "T002", "T003", "--follow")
    assert result.code == 1
    ended = {event["task"]: event["outcome"] for event in result.of("outcome")}
    assert ended["T001"] == "succeeded"
    assert ended["T002"] == "failed"
    assert ended["T003"] not in {"succeeded", "no_change"}
    assert list(runs(harness)) == ["T001", "T002"]


@pytest.mark.parametrize(("code", "outcome"), [(0, "succeeded"), (1, "failed")])
def test_a_finished_one_says_its_outcome_and_runs_no_more(
    harness: Harness, code: int, outcome: str
) -> None:
    harness.tasks(ONE)
    agent(harness, WRITE + f"sys.exit({code})")
    harness.run("spawn", "T001", "--follow")
    for args in (("spawn", "T001"), ("spawn", "T001", "--follow")):
        again = harness.run(*args)
        assert again.outcome("T001")["outcome"] == outcome
        assert again.code == code
    assert list(runs(harness)) == ["T001"]


def test_one_killed_before_its_agent_began_is_started_again_as_the_same_attempt(
    harness: Harness,
) -> None:
    harness.tasks(ONE)
    agent(harness)
    slow_git(harness, "fetch")
    harness.run("spawn", "T001")
    harness.wait_for(harness.folder / "reached")
    os.kill(harness.worker_pid(), signal.SIGKILL)
    (harness.folder / "slow").unlink()
    again = harness.run("spawn", "T001", "--follow")
    assert types(again.events)[0] == "spawned"
    assert again.outcome("T001")["outcome"] == "succeeded"
    assert again.outcome("T001")["attempt"] == 1
    assert list(runs(harness)) == ["T001"]


def test_many_that_start_again_what_never_began_are_one_attempt(harness: Harness) -> None:
    harness.tasks(ONE)
    agent(harness)
    slow_git(harness, "fetch")
    harness.run("spawn", "T001")
    harness.wait_for(harness.folder / "reached")
    os.kill(harness.worker_pid(), signal.SIGKILL)
    (harness.folder / "slow").unlink()
    for events in ends([harness.start("spawn", "T001", "--follow") for _ in range(4)]):
        assert events[-1]["outcome"] == "succeeded"
    assert list(runs(harness)) == ["T001"]


def test_one_killed_after_its_agent_began_is_not_started_again(harness: Harness) -> None:
    harness.tasks(ONE)
    agent(harness, f"hold()\n{WRITE}")
    harness.run("spawn", "T001")
    until(lambda: runs(harness))
    os.kill(harness.worker_pid(), signal.SIGKILL)
    again = harness.run("spawn", "T001", "--follow")
    assert again.outcome("T001")["outcome"] == "interrupted"
    assert again.code == 1
    assert list(runs(harness)) == ["T001"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_an_attempt_outlives_the_session_of_its_spawner(harness: Harness, number: int) -> None:
    harness.tasks(ONE)
    agent(harness, f"hold()\n{WRITE}")
    child = harness.start("spawn", "T001", "--follow", in_session=True)
    until(lambda: runs(harness))
    assert os.getsid(harness.worker_pid()) != os.getsid(child.pid)
    os.killpg(child.pid, number)
    child.communicate(timeout=20)
    go(harness)
    assert harness.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"
    assert list(runs(harness)) == ["T001"]


def test_an_edited_task_is_adopted_while_it_runs_and_said_to_be_another(harness: Harness) -> None:
    harness.tasks(ONE)
    agent(harness, f"hold()\n{WRITE}")
    harness.run("spawn", "T001")
    until(lambda: runs(harness))
    harness.tasks("\n" + ONE.replace("Write", "Rather write"), push=False)
    again = harness.run("spawn", "T001")
    assert types(again.events) == ["attached", "warning"]
    warning = again.events[1]
    assert (warning["code"], warning["line"]) == ("task_changed", 2)
    assert "sdlc-runner retry T001" in warning["hint"]
    go(harness)
    harness.run("follow", "T001")
    assert list(runs(harness)) == ["T001"]


def test_a_feature_branch_that_moved_is_reported_when_attaching(harness: Harness) -> None:
    harness.tasks(ONE)
    agent(harness, f"hold()\n{WRITE}")
    harness.run("spawn", "T001")
    harness.write("other.txt", "moved\n")
    harness.commit("Move on")
    again = harness.run("spawn", "T001")
    assert [event.get("code") for event in again.events] == [None, "base_moved"]
    go(harness)
    ended = harness.run("follow", "T001")
    assert ended.outcome("T001")["outcome"] == "succeeded"
    assert list(runs(harness)) == ["T001"]


def test_a_task_edited_after_a_start_that_never_began_is_done_as_it_reads_now(
    harness: Harness,
) -> None:
    harness.tasks(ONE)
    harness.agent("pathlib.Path('asked.txt').write_text(prompt)")
    slow_git(harness, "fetch")
    harness.run("spawn", "T001")
    harness.wait_for(harness.folder / "reached")
    os.kill(harness.worker_pid(), signal.SIGKILL)
    (harness.folder / "slow").unlink()
    harness.tasks("- [ ] T001 [ASYNC] Write it in Latin\n")
    ended = harness.run("spawn", "T001", "--follow")
    assert ended.outcome("T001")["outcome"] == "succeeded"
    assert "Write it in Latin" in harness.remote_file("asked.txt", f"sdlc-runner/{FEATURE}/T001-1")
    assert len(list((harness.state / "attempts").iterdir())) == 1
