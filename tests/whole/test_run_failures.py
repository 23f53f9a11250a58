"""``run`` when something goes wrong: what is independent goes on, the rest is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.scripted_agents import WRITE, agent, runs, slow_git

if TYPE_CHECKING:
    from support.harness import Event, Harness


def summary(events: list[Event]) -> Event:
    assert events[-1]["type"] == "summary"
    return events[-1]


def parallel(count: int) -> str:
    return "".join(f"- [ ] T{n:03} [P] [ASYNC] Write T{n:03}.txt\n" for n in range(1, count + 1))


def test_a_failed_parallel_task_blocks_only_what_rests_on_it(harness: Harness) -> None:
    harness.tasks(
        "- [ ] T001 [P] [ASYNC] Write T001.txt\n"
        "- [ ] T002 [P] [ASYNC] Write T002.txt\n"
        "- [ ] T003 [P] [ASYNC] Write T003.txt (depends on T001)\n"
        "- [ ] T004 [P] [ASYNC] Write T004.txt (depends on T002)\n"
    )
    agent(harness, WRITE + "sys.exit(task == 'T001')")
    result = harness.run("run")
    assert result.code == 1
    assert harness.ticked() == {"T002", "T004"}
    assert set(runs(harness)) == {"T001", "T002", "T004"}
    end = summary(result.events)
    assert not end["ok"]
    assert "T001" in end["verdict"]
    assert "1 blocked: T003" in end["verdict"]
    assert end["next"] == "sdlc-runner logs T001"


def test_a_failed_task_that_is_not_parallel_halts_the_run(harness: Harness) -> None:
    harness.tasks(
        "- [ ] T001 [ASYNC] Write T001.txt\n\n## Phase 2\n- [ ] T002 [P] [ASYNC] Write T002.txt\n"
    )
    agent(harness, "sys.exit(1)")
    result = harness.run("run")
    assert result.code == 1
    assert set(runs(harness)) == {"T001"}
    assert "halted: T001 (line 1)" in summary(result.events)["verdict"]


def test_what_is_invalid_is_reported_and_the_rest_runs(harness: Harness) -> None:
    harness.tasks(
        parallel(2)
        + "- [ ] T003 [P] [ASYNC] One\n- [ ] T003 [P] [ASYNC] Two\n"
        + "- [ ] T004 [P] [ASYNC] Round (depends on T005)\n"
        + "- [ ] T005 [P] [ASYNC] And round (depends on T004)\n"
        + "- [ ] T006 [P] [ASYNC] On nothing (depends on T099)\n"
    )
    agent(harness)
    result = harness.run("run")
    assert result.code == 1
    assert set(runs(harness)) == harness.ticked() == {"T001", "T002"}
    codes = {event["code"] for event in result.of("error")}
    assert codes == {"duplicate_task", "dependency_cycle", "unknown_dependency"}
    assert "invalid" in summary(result.events)["verdict"]


@pytest.mark.parametrize(("deaths", "code"), [(2, 0), (9, 1)])
def test_a_start_that_never_began_is_tried_three_times(
    harness: Harness, deaths: int, code: int
) -> None:
    harness.tasks(parallel(1))
    agent(harness)
    slow_git(
        harness,
        "fetch",
        f"  [ $(wc -c < {harness.folder}/reached) -le {deaths} ] && kill -9 $PPID && exit 1\n",
    )
    result = harness.run("run")
    assert result.code == code
    assert len(result.of("spawned")) == 3
    assert {event["attempt"] for event in result.of("spawned")} == {1}
    assert (harness.folder / "reached").read_text() == "xxx"
    assert len(runs(harness)) == (code == 0)


def test_a_task_with_nothing_to_change_is_ticked(harness: Harness) -> None:
    harness.tasks(parallel(1) + "\n## Phase 2\n- [ ] T002 [ASYNC] Write T002.txt\n")
    agent(harness, "print('all is well as it is')\nif task == 'T002':\n    " + WRITE)
    result = harness.run("run")
    assert result.code == 0
    assert result.outcome("T001")["outcome"] == "no_change"
    assert harness.ticked() == {"T001", "T002"}


def test_a_conflict_is_left_whole_and_blocks_only_what_rests_on_it(harness: Harness) -> None:
    harness.write("shared.txt", "line\n")
    harness.tasks(
        "- [ ] T001 [P] [ASYNC] Rewrite it\n- [ ] T002 [P] [ASYNC] Rewrite it too\n"
        "- [ ] T003 [P] [ASYNC] Go on (depends on T001)\n"
        "- [ ] T004 [P] [ASYNC] Go on (depends on T002)\n"
    )
    agent(
        harness,
        "if task in ('T001', 'T002'):\n"
        "    pathlib.Path('shared.txt').write_text(task + '\\n')\nelse:\n    " + WRITE,
    )
    result = harness.run("run")
    assert result.code == 1
    (conflict,) = result.of("conflict")
    assert (conflict["task"], conflict["files"]) == ("T002", ["shared.txt"])
    assert harness.remote_file("shared.txt", conflict["branch"]) == "T002"
    assert harness.remote_file("shared.txt") == "T001"
    assert harness.ticked() == {"T001", "T003"}
    assert set(runs(harness)) == {"T001", "T002", "T003"}
    again = harness.run("run")
    assert again.code == 1
    assert [event["task"] for event in again.of("conflict")] == ["T002"]
    runs(harness)


def test_a_task_that_is_only_in_the_working_copy_is_done_and_not_tried_for_ever(
    harness: Harness,
) -> None:
    harness.tasks(parallel(1))
    harness.tasks(parallel(2), push=False)
    agent(harness)
    result = harness.run("run")
    assert result.code == 1
    assert set(runs(harness)) == {"T001", "T002"}
    assert harness.ticked() == {"T001"}
    (warning,) = [event for event in result.of("warning") if event["code"] == "not_ticked"]
    assert (warning["task"], warning["line"]) == ("T002", 2)
    assert summary(result.events)["next"] == "sdlc-runner publish"
    harness.run("publish")
    assert harness.run("run").code == 0
    assert harness.ticked() == {"T001", "T002"}
    runs(harness)
