"""``spawn``: one attempt whatever happens to whoever starts it, and never a second one."""

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

    from support.harness import Event, Rig

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


def test_spawn_starts_one_attempt_and_says_where(rig: Rig) -> None:
    rig.tasks(ONE)
    agent(rig, f"hold()\n{WRITE}")
    result = rig.run("spawn", "T001")
    (event,) = result.events
    assert result.code == 0
    assert event["type"] == "spawned"
    assert (event["task"], event["attempt"], event["tasks"]) == ("T001", 1, ["T001"])
    assert event["where"] == str(rig.attempt())
    assert event["branch"] == f"sdlc-runner/{FEATURE}/T001-1"
    assert event["base"] == rig.git("rev-parse", "HEAD")
    go(rig)
    assert rig.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"


@pytest.mark.parametrize("word", ["t001", "task-001", "TASK-T001", "001"])
def test_a_task_may_be_named_as_people_type_it(rig: Rig, word: str) -> None:
    rig.tasks(ONE)
    agent(rig)
    assert rig.run("spawn", word, "--follow").outcome("T001")["outcome"] == "succeeded"
    again = rig.run("spawn", word)
    assert again.outcome("T001")["outcome"] == "succeeded"
    assert list(runs(rig)) == ["T001"]


@pytest.mark.parametrize("count", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_the_same_call_at_the_same_moment_is_one_attempt(rig: Rig, count: int) -> None:
    rig.tasks(ONE)
    agent(rig, f"hold()\n{WRITE}")
    seen = ends([rig.start("spawn", "T001") for _ in range(count)])
    assert sorted(types(events)[0] for events in seen) == ["attached"] * (count - 1) + ["spawned"]
    until(lambda: runs(rig))
    go(rig)
    assert rig.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"
    assert list(runs(rig)) == ["T001"]


@pytest.mark.slow
def test_killed_at_any_moment_and_called_again_the_agent_runs_once(rig: Rig) -> None:
    rig.tasks("".join(f"- [ ] T{n:03} [P] [ASYNC] Write T{n:03}.txt\n" for n in range(1, 13)))
    agent(rig)
    for number in range(1, 13):
        child = rig.start("spawn", f"T{number:03}")
        time.sleep(number * 0.025)
        child.kill()
        child.communicate()
        ended = rig.run("spawn", f"T{number:03}", "--follow")
        assert ended.outcome(f"T{number:03}")["outcome"] == "succeeded"
    assert list(runs(rig)) == [f"T{n:03}" for n in range(1, 13)]


def test_one_call_may_name_several_tasks(rig: Rig) -> None:
    rig.tasks(TWO.replace("T001 [ASYNC]", "T001 [P] [ASYNC]"))
    agent(rig)
    result = rig.run("spawn", "T001", "T002", "--follow")
    assert result.code == 0
    assert [event["task"] for event in result.of("spawned")] == ["T001", "T002"]
    assert {event["task"] for event in result.of("outcome")} == {"T001", "T002"}
    assert sorted(runs(rig)) == ["T001", "T002"]


def test_all_are_checked_before_any_is_started(rig: Rig) -> None:
    rig.tasks(ONE + "- [ ] T002 [SYNC] Decide\n")
    result = rig.run("spawn", "T001", "T002")
    assert result.code == 2
    assert result.error["code"] == "task_not_async"
    assert result.error["line"] == 2
    assert not (rig.state / "attempts").exists()


BUNDLE = """\
- [ ] T001 [ASYNC] Begin src/a.py
- [ ] T002 [ASYNC] Go on with src/a.py
- [ ] T003 [ASYNC] End src/a.py
"""


def test_a_bundle_is_one_attempt_with_a_commit_and_an_outcome_for_each_task(rig: Rig) -> None:
    rig.tasks(BUNDLE)
    agent(rig)
    result = rig.run("spawn", "T001", "T002", "T003", "--follow")
    (spawned,) = result.of("spawned")
    assert spawned["tasks"] == ["T001", "T002", "T003"]
    assert [event["task"] for event in result.of("outcome")] == ["T001", "T002", "T003"]
    assert {event["bundle"] for event in result.of("outcome")} == {"T001"}
    log = rig.git(
        "log",
        "--reverse",
        "--format=%(trailers:key=Task,valueonly,separator=%x2C)",
        f"{spawned['base']}..{spawned['branch']}",
        cwd=rig.remote,
    )
    assert log.split() == ["T001", "T002", "T003"]
    assert list(runs(rig)) == ["T001", "T002", "T003"]


def test_however_much_a_bundle_says_its_result_reaches_who_follows(rig: Rig) -> None:
    rig.tasks("".join(f"- [ ] T{n:03} [ASYNC] Part {n} of src/a.py\n" for n in range(1, 9)))
    agent(rig, "print('é' * 3900)\n" + WRITE)
    words = [f"T{n:03}" for n in range(1, 9)]
    result = rig.run("spawn", *words, "--follow", "--detail", "full")
    assert result.code == 0
    assert [event["seq"] for event in result.events if "seq" in event] == whole(rig)
    (claim,) = result.of("result")
    assert [record["task"] for record in claim["tasks"]] == words


def test_a_bundle_that_breaks_keeps_what_was_done_before(rig: Rig) -> None:
    rig.tasks(BUNDLE)
    agent(rig, WRITE + "sys.exit(task == 'T002')")
    result = rig.run("spawn", "T001", "T002", "T003", "--follow")
    assert result.code == 1
    ended = {event["task"]: event["outcome"] for event in result.of("outcome")}
    assert ended["T001"] == "succeeded"
    assert ended["T002"] == "failed"
    assert ended["T003"] not in {"succeeded", "no_change"}
    assert list(runs(rig)) == ["T001", "T002"]


@pytest.mark.parametrize(("code", "outcome"), [(0, "succeeded"), (1, "failed")])
def test_a_finished_one_tells_its_outcome_and_runs_no_more(
    rig: Rig, code: int, outcome: str
) -> None:
    rig.tasks(ONE)
    agent(rig, WRITE + f"sys.exit({code})")
    rig.run("spawn", "T001", "--follow")
    for args in (("spawn", "T001"), ("spawn", "T001", "--follow")):
        again = rig.run(*args)
        assert again.outcome("T001")["outcome"] == outcome
        assert again.code == code
    assert list(runs(rig)) == ["T001"]


def test_one_killed_before_its_agent_began_is_started_again_as_the_same_attempt(rig: Rig) -> None:
    rig.tasks(ONE)
    agent(rig)
    slow_git(rig, "fetch")
    rig.run("spawn", "T001")
    rig.wait_for(rig.folder / "reached")
    os.kill(rig.wrapper_pid(), signal.SIGKILL)
    (rig.folder / "slow").unlink()
    again = rig.run("spawn", "T001", "--follow")
    assert types(again.events)[0] == "spawned"
    assert again.outcome("T001")["outcome"] == "succeeded"
    assert again.outcome("T001")["attempt"] == 1
    assert list(runs(rig)) == ["T001"]


def test_many_that_start_again_what_never_began_are_one_attempt(rig: Rig) -> None:
    rig.tasks(ONE)
    agent(rig)
    slow_git(rig, "fetch")
    rig.run("spawn", "T001")
    rig.wait_for(rig.folder / "reached")
    os.kill(rig.wrapper_pid(), signal.SIGKILL)
    (rig.folder / "slow").unlink()
    for events in ends([rig.start("spawn", "T001", "--follow") for _ in range(4)]):
        assert events[-1]["outcome"] == "succeeded"
    assert list(runs(rig)) == ["T001"]


def test_one_killed_after_its_agent_began_is_not_started_again(rig: Rig) -> None:
    rig.tasks(ONE)
    agent(rig, f"hold()\n{WRITE}")
    rig.run("spawn", "T001")
    until(lambda: runs(rig))
    os.kill(rig.wrapper_pid(), signal.SIGKILL)
    again = rig.run("spawn", "T001", "--follow")
    assert again.outcome("T001")["outcome"] == "interrupted"
    assert again.code == 1
    assert list(runs(rig)) == ["T001"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_an_attempt_outlives_the_session_of_its_spawner(rig: Rig, number: int) -> None:
    rig.tasks(ONE)
    agent(rig, f"hold()\n{WRITE}")
    child = rig.start("spawn", "T001", "--follow", in_session=True)
    until(lambda: runs(rig))
    assert os.getsid(rig.wrapper_pid()) != os.getsid(child.pid)
    os.killpg(child.pid, number)
    child.communicate(timeout=20)
    go(rig)
    assert rig.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"
    assert list(runs(rig)) == ["T001"]


def test_an_edited_task_is_adopted_while_it_runs_and_said_to_be_another(rig: Rig) -> None:
    rig.tasks(ONE)
    agent(rig, f"hold()\n{WRITE}")
    rig.run("spawn", "T001")
    until(lambda: runs(rig))
    rig.tasks("\n" + ONE.replace("Write", "Rather write"), push=False)
    again = rig.run("spawn", "T001")
    assert types(again.events) == ["attached", "warning"]
    warning = again.events[1]
    assert (warning["code"], warning["line"]) == ("task_changed", 2)
    assert "sdlc-runner retry T001" in warning["hint"]
    go(rig)
    rig.run("follow", "T001")
    assert list(runs(rig)) == ["T001"]


def test_a_feature_branch_that_moved_is_told_when_attaching(rig: Rig) -> None:
    rig.tasks(ONE)
    agent(rig, f"hold()\n{WRITE}")
    rig.run("spawn", "T001")
    rig.write("other.txt", "moved\n")
    rig.commit("Move on")
    again = rig.run("spawn", "T001")
    assert [event.get("code") for event in again.events] == [None, "base_moved"]
    go(rig)
    ended = rig.run("follow", "T001")
    assert ended.outcome("T001")["outcome"] == "succeeded"
    assert list(runs(rig)) == ["T001"]


def test_a_task_edited_after_a_start_that_never_began_is_done_as_it_reads_now(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent("pathlib.Path('asked.txt').write_text(prompt)")
    slow_git(rig, "fetch")
    rig.run("spawn", "T001")
    rig.wait_for(rig.folder / "reached")
    os.kill(rig.wrapper_pid(), signal.SIGKILL)
    (rig.folder / "slow").unlink()
    rig.tasks("- [ ] T001 [ASYNC] Write it in Latin\n")
    ended = rig.run("spawn", "T001", "--follow")
    assert ended.outcome("T001")["outcome"] == "succeeded"
    assert "Write it in Latin" in rig.remote_file("asked.txt", f"sdlc-runner/{FEATURE}/T001-1")
    assert len(list((rig.state / "attempts").iterdir())) == 1
