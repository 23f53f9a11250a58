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
    from support.harness import Event, Harness

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


def test_phases_and_dependencies_run_in_waves_each_on_the_work_before(harness: Harness) -> None:
    harness.tasks(PHASES)
    agent(harness)
    result = harness.run("run")
    assert result.code == 0
    assert harness.ticked() == {"T001", "T002", "T003", "T004", "T005"}
    found = runs(harness)
    assert found["T001"] == ""
    assert found["T002"] == found["T003"] == "T001.txt"
    assert found["T004"] == "T001.txt,T002.txt,T003.txt"
    assert found["T005"] == "T001.txt,T002.txt,T003.txt,T004.txt"
    assert summary(result.events)["counts"]["ticked"] == 5
    assert harness.remote_file("T005.txt") == "done by T005"
    assert (harness.checkout / "T005.txt").exists()


def test_run_again_runs_nothing(harness: Harness) -> None:
    harness.tasks(PHASES)
    agent(harness)
    harness.run("run")
    head = harness.remote_refs()[f"refs/heads/{FEATURE}"]
    again = harness.run("run")
    assert again.code == 0
    assert [event["type"] for event in again.events] == ["summary"]
    assert harness.remote_refs()[f"refs/heads/{FEATURE}"] == head
    runs(harness)


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_run_at_once_than_allowed(harness: Harness, most: int) -> None:
    harness.tasks(parallel(4))
    here = str(harness.folder / "here")
    agent(
        harness,
        f"pathlib.Path({here!r}).mkdir(exist_ok=True)\n"
        f"mine = pathlib.Path({here!r}, task)\nmine.touch()\ntime.sleep(0.3)\n"
        f"pathlib.Path(f'{{task}}.txt').write_text(str(len(os.listdir({here!r}))))\nmine.unlink()\n",
    )
    assert harness.run("run", "--max-parallel", str(most)).code == 0
    assert max(int(harness.remote_file(f"T00{n}.txt")) for n in (1, 2, 3, 4)) == most


def test_a_sync_task_stops_the_run_until_it_is_done_and_published(harness: Harness) -> None:
    harness.tasks(
        "- [ ] T001 [ASYNC] Write T001.txt\n- [ ] T002 Decide on `decision.txt`\n"
        "- [ ] T003 [ASYNC] Write T003.txt\n"
    )
    agent(harness)
    first = harness.run("run")
    assert first.code == 0
    assert set(runs(harness)) == {"T001"}
    assert "1 SYNC task for you: T002" in summary(first.events)["verdict"]
    harness.write("decision.txt", "yes\n")
    harness.write(
        f"specs/{FEATURE}/tasks.md",
        harness.tasks_file.read_text().replace("- [ ] T002", "- [x] T002"),
    )
    second = harness.run("run")
    assert set(runs(harness)) == {"T001"}
    assert summary(second.events)["next"] == "sdlc-runner publish"
    assert harness.run("publish").code == 0
    third = harness.run("run")
    assert third.code == 0
    assert harness.ticked() == {"T001", "T002", "T003"}
    assert harness.remote_file("decision.txt") == "yes"


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.4, 0.8, 1.4])
def test_killed_in_the_middle_and_run_again_all_is_done_once(
    harness: Harness, after: float
) -> None:
    harness.tasks(PHASES)
    agent(harness, "time.sleep(0.2)\n" + WRITE)
    child = harness.start("run")
    time.sleep(after)
    child.kill()
    child.communicate()
    result = harness.run("run")
    assert result.code == 0
    assert harness.ticked() == set(runs(harness)) == {"T001", "T002", "T003", "T004", "T005"}
    for task in runs(harness):
        assert harness.remote_file(f"{task}.txt") == f"done by {task}"


def test_what_ends_while_the_remote_is_being_asked_is_not_judged_by_the_answer(
    harness: Harness,
) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write T001.txt\n")
    agent(harness, "time.sleep(1)\n" + WRITE)
    assert harness.run("spawn", "T001").code == 0
    late = harness.folder / "late-upload-pack"
    late.write_text(
        f'#!/bin/sh\ngit-upload-pack "$@"\nmkdir {harness.folder}/once && sleep 2\nexit 0\n'
    )
    late.chmod(0o755)
    harness.git("config", "remote.origin.uploadpack", str(late))
    result = harness.run("run")
    assert result.code == 0
    assert result.outcome("T001")["outcome"] == "succeeded"


@pytest.mark.slow
def test_two_at_the_same_time_do_each_task_once(harness: Harness) -> None:
    harness.tasks(PHASES)
    agent(harness, "time.sleep(0.1)\n" + WRITE)
    children = [harness.start("run") for _ in range(2)]
    for child in children:
        out, err = child.communicate(timeout=90)
        assert child.returncode == 0, err
        assert summary(parse(out))["ok"]
    assert harness.ticked() == set(runs(harness)) == {"T001", "T002", "T003", "T004", "T005"}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["T002-T003"], {"T002", "T003"}),
        (["US1"], {"T001", "T002"}),
        (["phase:2"], {"T004"}),
        (["T001", "T003"], {"T001", "T003"}),
    ],
)
def test_a_scope_runs_only_what_it_names(
    harness: Harness, words: list[str], wanted: set[str]
) -> None:
    harness.tasks(
        "## Phase 1: Setup\n"
        "- [ ] T001 [P] [ASYNC] [US1] Write T001.txt\n- [ ] T002 [P] [ASYNC] [US1] Write T002.txt\n"
        "- [ ] T003 [P] [ASYNC] [US2] Write T003.txt\n\n## Phase 2: Build\n"
        "- [x] T009 Done\n- [ ] T004 [P] [ASYNC] Write T004.txt\n"
    )
    if wanted == {"T004"}:
        harness.tasks(
            harness.tasks_file.read_text()
            .replace("[ ] T00", "[x] T00")
            .replace("[x] T004", "[ ] T004")
        )
    agent(harness)
    assert harness.run("run", *words).code == 0
    assert set(runs(harness)) == wanted


def test_small_tasks_share_an_attempt_when_asked(harness: Harness) -> None:
    harness.tasks(parallel(3).replace(" [P]", ""))
    agent(harness)
    result = harness.run("run", "--batch")
    assert result.code == 0
    assert [event["tasks"] for event in result.of("spawned")] == [["T001", "T002", "T003"]]
    assert harness.ticked() == {"T001", "T002", "T003"}


def test_a_checkout_that_becomes_dirty_stops_nothing(harness: Harness) -> None:
    harness.tasks(PHASES)
    agent(
        harness,
        f"pathlib.Path({str(harness.checkout / 'README.md')!r}).write_text('mine\\n')\n" + WRITE,
    )
    result = harness.run("run")
    assert result.code == 0
    assert harness.ticked() == {"T001", "T002", "T003", "T004", "T005"}
    assert (harness.checkout / "README.md").read_text() == "mine\n"
    assert harness.git("status", "--porcelain") == "M README.md"
    assert "not_fast_forwarded" in {event["code"] for event in result.of("warning")}


def test_interrupted_it_says_how_to_go_on_and_the_work_goes_on(harness: Harness) -> None:
    harness.tasks(parallel(1))
    agent(harness, "hold()\n" + WRITE)
    child = harness.start("run")
    until(lambda: runs(harness))
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "sdlc-runner cancel" in err
    go(harness)
    assert harness.run("run").code == 0
    assert harness.ticked() == {"T001"}
    runs(harness)


def test_a_terminal_gets_words_and_a_table_a_pipe_gets_lines(harness: Harness) -> None:
    harness.tasks(parallel(2) + "- [ ] T003 Decide\n")
    agent(harness)
    shown = harness.on_terminal("run")
    lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
    assert not any(line.startswith("{") for line in lines)
    assert "T001  succeeded  line 1" in shown
    assert "T003  sync       line 3" in shown
    assert lines[-1].endswith("2 verified, merged and ticked; 1 SYNC task for you: T003.\x1b[0m")
    assert "\x1b[" not in harness.on_terminal("status", "--no-color")
    piped = harness.run("status")
    assert [json.loads(line)["type"] for line in piped.stdout.splitlines()][-1] == "summary"
    assert os.linesep + os.linesep not in piped.stdout
