"""``status``, ``watch`` and ``logs``: what is and was, from here and from the remote alone."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from support.harness import FEATURE, parse, until
from support.scripted_agents import ONE, WRITE, agent, go, held, seqs, talked, whole

if TYPE_CHECKING:
    import subprocess

    from support.harness import Event, Harness


def row(harness: Harness, task: str = "T001") -> Event:
    (found,) = harness.run("status").of("row", task)
    return found


def test_a_row_goes_from_running_over_ended_to_merged(harness: Harness) -> None:
    held(harness)
    until(lambda: any(event.get("text") == "held" for event in harness.journal()))
    running = row(harness)
    assert (running["state"], running["phase"]) == ("running", "working")
    assert "outcome" not in running
    assert (running["backend"], running["where"]) == ("local", str(harness.attempt()))
    assert running["last"] == "| held"
    go(harness)
    harness.run("follow", "T001")
    ended = row(harness)
    assert (ended["state"], ended["outcome"]) == ("ended", "succeeded")
    assert ended["branch"] == f"sdlc-runner/{FEATURE}/T001-1"
    harness.run("merge")
    assert row(harness)["state"] == "merged"


def test_the_row_of_a_bundle_that_broke_says_of_the_break(harness: Harness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Begin src/a.py\n- [ ] T002 [ASYNC] End src/a.py\n")
    agent(harness, WRITE + "sys.exit(task == 'T002')")
    harness.run("spawn", "T001", "T002", "--follow")
    found = row(harness)
    assert found["tasks"] == ["T001", "T002"]
    assert found["outcome"] == "failed"


def test_without_attempts_there_is_only_the_summary(harness: Harness) -> None:
    harness.tasks(ONE)
    result = harness.run("status")
    assert result.code == 0
    (summary,) = result.events
    assert summary["counts"] == {"attempts": 0, "running": 0}


def test_another_machine_sees_all_of_it_on_the_remote(harness: Harness) -> None:
    talked(harness, 3)
    there = harness.folder / "there"
    harness.git(
        "clone", "--quiet", "--branch", FEATURE, str(harness.remote), str(there), cwd=harness.folder
    )
    state = {"XDG_STATE_HOME": str(harness.folder / "other-state")}
    (found,) = harness.run("status", cwd=there, **state).of("row")
    assert (found["state"], found["outcome"]) == ("ended", "succeeded")
    assert found["backend"] == "local"
    assert "where" not in found
    judged = harness.run("verify", "T001", cwd=there, **state)
    assert judged.outcome("T001")["code"] == "verified"
    log = harness.run("logs", "T001", cwd=there, **state)
    assert [event for event in log.events if "seq" in event] == harness.journal()
    followed = harness.run("follow", "T001", cwd=there, **state)
    assert seqs(followed.events) == whole(harness)
    assert harness.run("merge", cwd=there, **state).code == 0
    assert harness.ticked() == {"T001"}


def test_another_machine_does_not_start_what_began_here(harness: Harness) -> None:
    held(harness)
    until(lambda: any("start" in ref for ref in harness.remote_refs()))
    there = harness.folder / "there"
    harness.git(
        "clone", "--quiet", "--branch", FEATURE, str(harness.remote), str(there), cwd=harness.folder
    )
    state = {"XDG_STATE_HOME": str(harness.folder / "other-state")}
    result = harness.run("spawn", "T001", cwd=there, **state)
    assert not result.of("spawned")
    assert not (harness.folder / "other-state" / "sdlc-runner" / "attempts").exists()
    go(harness)
    assert harness.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"


def test_logs_come_from_here_and_from_the_transcript_alike(harness: Harness) -> None:
    talked(harness)
    here = harness.run("logs", "T001")
    journal = harness.journal()
    assert here.events == journal
    shutil.rmtree(harness.state)
    assert harness.run("logs", "t001").events == journal


def test_logs_of_a_running_attempt_are_what_there_is_so_far(harness: Harness) -> None:
    held(harness)
    until(lambda: any(event.get("text") == "held" for event in harness.journal()))
    result = harness.run("logs", "T001")
    assert result.code == 0
    assert result.events == harness.journal()
    go(harness)


def test_what_is_neither_here_nor_on_the_remote_is_said(harness: Harness) -> None:
    talked(harness, 1)
    shutil.rmtree(harness.state)
    harness.git(
        "update-ref", "-d", f"refs/sdlc-runner/{FEATURE}/T001/1/transcript", cwd=harness.remote
    )
    result = harness.run("logs", "T001")
    assert (result.code, result.error["code"]) == (1, "no_transcript")
    for verb in ("logs", "verify", "retry", "cancel", "follow"):
        unknown = harness.run(verb, "T999")
        assert (unknown.code, unknown.error["code"]) == (2, "no_attempt"), verb
    assert harness.run("spawn", "T999").error["code"] == "unknown_task"


def lines(child: subprocess.Popen[str]) -> list[Event]:
    out, err = child.communicate(timeout=60)
    assert "Traceback" not in err
    return parse(out)


@pytest.mark.slow
def test_watch_shows_what_starts_later_too_and_ends_by_itself(harness: Harness) -> None:
    harness.tasks(ONE.replace("[ASYNC]", "[P] [ASYNC]") + "- [ ] T002 [P] [ASYNC] Write T002.txt\n")
    agent(harness, "if task == 'T001': hold()\nelse: time.sleep(1.5)\n" + WRITE)
    harness.run("spawn", "T001")
    child = harness.start("watch")
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["task"] == "T001"
    assert harness.run("spawn", "T002").code == 0
    go(harness)
    events = lines(child)
    assert child.returncode == 0
    assert {event["task"] for event in events if event["type"] == "outcome"} == {"T001", "T002"}
    assert events[-1]["type"] == "summary"
    assert not [event for event in events if event["type"] == "log"]


@pytest.mark.slow
def test_watch_stops_in_time_and_goes_on_from_its_cursor(harness: Harness) -> None:
    held(harness)
    first = harness.run("watch", "--max-seconds", "0.6", "--detail", "full")
    assert first.code == 4
    cursor = first.of("continue")[0]["cursor"]
    assert f"sdlc-runner watch --cursor {cursor}" in first.of("continue")[0]["hint"]
    go(harness)
    until((harness.attempt() / "exit.json").exists)
    rest = harness.run("watch", "--cursor", cursor, "--detail", "full")
    assert seqs(first.events) + seqs(rest.events) == whole(harness)
    assert rest.outcome("T001")["outcome"] == "succeeded"


def test_watch_with_nothing_to_see_keeps_to_its_time(harness: Harness) -> None:
    harness.tasks(ONE)
    began = time.monotonic()
    result = harness.run("watch", "--max-seconds", "0.3")
    assert time.monotonic() - began < 3
    assert result.code == 0
    assert [event["type"] for event in result.events] == ["summary"]


def test_the_table_on_a_terminal_says_each_task_once(harness: Harness) -> None:
    talked(harness, 1)
    shown = harness.on_terminal("status", "--no-color")
    (line,) = [line for line in shown.splitlines() if "T001" in line]
    assert line.count("T001") == 1
    assert line.split()[:3] == ["T001", "ended", "succeeded"]
    assert line.endswith("not merged yet: `sdlc-runner merge`")
    assert "1 attempt, 0 running." in shown
