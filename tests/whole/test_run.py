"""``run``: wave after wave to merged and ticked work, and nothing twice."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from support.harness import FEATURE, parse, until
from support.scripted_agents import WRITE, agent, go, runs

if TYPE_CHECKING:
    from support.harness import Event, Rig

PHASES = """\
## Phase 1: Setup
- [ ] T001 [ASYNC] Write T001.txt

## Phase 2: Build
- [ ] T002 [P] [ASYNC] Write T002.txt
- [ ] T003 [P] [ASYNC] Write T003.txt
- [ ] T004 [ASYNC] Write T004.txt (depends on T002, T003)

## Phase 3: End
- [ ] T005 [ASYNC] Write T005.txt
"""


def summary(events: list[Event]) -> Event:
    assert events[-1]["type"] == "summary"
    return events[-1]


def parallel(count: int) -> str:
    return "".join(f"- [ ] T{n:03} [P] [ASYNC] Write T{n:03}.txt\n" for n in range(1, count + 1))


def test_phases_and_dependencies_run_in_waves_each_on_the_work_before(rig: Rig) -> None:
    rig.tasks(PHASES)
    agent(rig)
    result = rig.run("run")
    assert result.code == 0
    assert rig.ticked() == {"T001", "T002", "T003", "T004", "T005"}
    found = runs(rig)
    assert found["T001"] == ""
    assert found["T002"] == found["T003"] == "T001.txt"
    assert found["T004"] == "T001.txt,T002.txt,T003.txt"
    assert found["T005"] == "T001.txt,T002.txt,T003.txt,T004.txt"
    assert summary(result.events)["counts"]["ticked"] == 5
    assert rig.remote_file("T005.txt") == "done by T005"
    assert (rig.checkout / "T005.txt").exists()


def test_run_again_runs_nothing(rig: Rig) -> None:
    rig.tasks(PHASES)
    agent(rig)
    rig.run("run")
    head = rig.remote_refs()[f"refs/heads/{FEATURE}"]
    again = rig.run("run")
    assert again.code == 0
    assert [event["type"] for event in again.events] == ["summary"]
    assert rig.remote_refs()[f"refs/heads/{FEATURE}"] == head
    runs(rig)


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_run_at_once_than_allowed(rig: Rig, most: int) -> None:
    rig.tasks(parallel(4))
    here = str(rig.folder / "here")
    agent(
        rig,
        f"pathlib.Path({here!r}).mkdir(exist_ok=True)\n"
        f"mine = pathlib.Path({here!r}, task)\nmine.touch()\ntime.sleep(0.3)\n"
        f"pathlib.Path(f'{{task}}.txt').write_text(str(len(os.listdir({here!r}))))\nmine.unlink()\n",
    )
    assert rig.run("run", "--max-parallel", str(most)).code == 0
    assert max(int(rig.remote_file(f"T00{n}.txt")) for n in (1, 2, 3, 4)) == most


def test_a_sync_task_stops_the_run_until_it_is_done_and_published(rig: Rig) -> None:
    rig.tasks(
        "- [ ] T001 [ASYNC] Write T001.txt\n- [ ] T002 Decide on `decision.txt`\n"
        "- [ ] T003 [ASYNC] Write T003.txt\n"
    )
    agent(rig)
    first = rig.run("run")
    assert first.code == 0
    assert set(runs(rig)) == {"T001"}
    assert "1 SYNC task for you: T002" in summary(first.events)["verdict"]
    rig.write("decision.txt", "yes\n")
    rig.write(
        f"specs/{FEATURE}/tasks.md",
        rig.tasks_file.read_text().replace("- [ ] T002", "- [x] T002"),
    )
    second = rig.run("run")
    assert set(runs(rig)) == {"T001"}
    assert summary(second.events)["next"] == "sdlc-runner publish"
    assert rig.run("publish").code == 0
    third = rig.run("run")
    assert third.code == 0
    assert rig.ticked() == {"T001", "T002", "T003"}
    assert rig.remote_file("decision.txt") == "yes"


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.4, 0.8, 1.4])
def test_killed_in_the_middle_and_run_again_all_is_done_once(rig: Rig, after: float) -> None:
    rig.tasks(PHASES)
    agent(rig, "time.sleep(0.2)\n" + WRITE)
    child = rig.start("run")
    time.sleep(after)
    child.kill()
    child.communicate()
    result = rig.run("run")
    assert result.code == 0
    assert rig.ticked() == set(runs(rig)) == {"T001", "T002", "T003", "T004", "T005"}
    for task in runs(rig):
        assert rig.remote_file(f"{task}.txt") == f"done by {task}"


def test_what_ends_while_the_remote_is_being_asked_is_not_judged_by_the_answer(rig: Rig) -> None:
    rig.tasks("- [ ] T001 [ASYNC] Write T001.txt\n")
    agent(rig, "time.sleep(1)\n" + WRITE)
    assert rig.run("spawn", "T001").code == 0
    late = rig.folder / "late-upload-pack"
    late.write_text(
        f'#!/bin/sh\ngit-upload-pack "$@"\nmkdir {rig.folder}/once && sleep 2\nexit 0\n'
    )
    late.chmod(0o755)
    rig.git("config", "remote.origin.uploadpack", str(late))
    result = rig.run("run")
    assert result.code == 0
    assert result.outcome("T001")["outcome"] == "succeeded"


@pytest.mark.slow
def test_two_at_the_same_time_do_each_task_once(rig: Rig) -> None:
    rig.tasks(PHASES)
    agent(rig, "time.sleep(0.1)\n" + WRITE)
    children = [rig.start("run") for _ in range(2)]
    for child in children:
        out, err = child.communicate(timeout=90)
        assert child.returncode == 0, err
        assert summary(parse(out))["ok"]
    assert rig.ticked() == set(runs(rig)) == {"T001", "T002", "T003", "T004", "T005"}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["T002-T003"], {"T002", "T003"}),
        (["US1"], {"T001", "T002"}),
        (["phase:2"], {"T004"}),
        (["T001", "T003"], {"T001", "T003"}),
    ],
)
def test_a_scope_runs_only_what_it_names(rig: Rig, words: list[str], wanted: set[str]) -> None:
    rig.tasks(
        "## Phase 1: Setup\n"
        "- [ ] T001 [P] [ASYNC] [US1] Write T001.txt\n- [ ] T002 [P] [ASYNC] [US1] Write T002.txt\n"
        "- [ ] T003 [P] [ASYNC] [US2] Write T003.txt\n\n## Phase 2: Build\n"
        "- [x] T009 Done\n- [ ] T004 [P] [ASYNC] Write T004.txt\n"
    )
    if wanted == {"T004"}:
        rig.tasks(
            rig.tasks_file.read_text().replace("[ ] T00", "[x] T00").replace("[x] T004", "[ ] T004")
        )
    agent(rig)
    assert rig.run("run", *words).code == 0
    assert set(runs(rig)) == wanted


def test_small_tasks_share_an_attempt_when_asked(rig: Rig) -> None:
    rig.tasks(parallel(3).replace(" [P]", ""))
    agent(rig)
    result = rig.run("run", "--bundle")
    assert result.code == 0
    assert [event["tasks"] for event in result.of("spawned")] == [["T001", "T002", "T003"]]
    assert rig.ticked() == {"T001", "T002", "T003"}


def test_a_checkout_that_becomes_dirty_stops_nothing(rig: Rig) -> None:
    rig.tasks(PHASES)
    agent(rig, f"pathlib.Path({str(rig.checkout / 'README.md')!r}).write_text('mine\\n')\n" + WRITE)
    result = rig.run("run")
    assert result.code == 0
    assert rig.ticked() == {"T001", "T002", "T003", "T004", "T005"}
    assert (rig.checkout / "README.md").read_text() == "mine\n"
    assert rig.git("status", "--porcelain") == "M README.md"
    assert "not_fast_forwarded" in {event["code"] for event in result.of("warning")}


def test_interrupted_it_says_how_to_go_on_and_the_work_goes_on(rig: Rig) -> None:
    rig.tasks(parallel(1))
    agent(rig, "hold()\n" + WRITE)
    child = rig.start("run")
    until(lambda: runs(rig))
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "sdlc-runner cancel" in err
    go(rig)
    assert rig.run("run").code == 0
    assert rig.ticked() == {"T001"}
    runs(rig)


def test_a_terminal_gets_words_and_a_table_a_pipe_gets_lines(rig: Rig) -> None:
    rig.tasks(parallel(2) + "- [ ] T003 Decide\n")
    agent(rig)
    shown = rig.on_terminal("run")
    lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
    assert not any(line.startswith("{") for line in lines)
    assert "T001  succeeded  line 1" in shown
    assert "T003  sync       line 3" in shown
    assert lines[-1].endswith("2 verified, merged and ticked; 1 SYNC task for you: T003.\x1b[0m")
    assert "\x1b[" not in rig.on_terminal("status", "--no-color")
    piped = rig.run("status")
    assert [json.loads(line)["type"] for line in piped.stdout.splitlines()][-1] == "summary"
    assert os.linesep + os.linesep not in piped.stdout
