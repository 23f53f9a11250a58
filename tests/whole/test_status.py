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

    from support.harness import Event, Rig


def row(rig: Rig, task: str = "T001") -> Event:
    (found,) = rig.run("status").of("row", task)
    return found


def test_a_row_goes_from_running_over_ended_to_merged(rig: Rig) -> None:
    held(rig)
    until(lambda: any(event.get("text") == "held" for event in rig.journal()))
    running = row(rig)
    assert (running["state"], running["phase"]) == ("running", "working")
    assert "outcome" not in running
    assert (running["backend"], running["where"]) == ("local", str(rig.attempt()))
    assert running["last"] == "| held"
    go(rig)
    rig.run("follow", "T001")
    ended = row(rig)
    assert (ended["state"], ended["outcome"]) == ("ended", "succeeded")
    assert ended["branch"] == f"sdlc-runner/{FEATURE}/T001-1"
    rig.run("merge")
    assert row(rig)["state"] == "merged"


def test_the_row_of_a_bundle_that_broke_tells_of_the_break(rig: Rig) -> None:
    rig.tasks("- [ ] T001 [ASYNC] Begin src/a.py\n- [ ] T002 [ASYNC] End src/a.py\n")
    agent(rig, WRITE + "sys.exit(task == 'T002')")
    rig.run("spawn", "T001", "T002", "--follow")
    found = row(rig)
    assert found["tasks"] == ["T001", "T002"]
    assert found["outcome"] == "failed"


def test_without_attempts_there_is_only_the_summary(rig: Rig) -> None:
    rig.tasks(ONE)
    result = rig.run("status")
    assert result.code == 0
    (summary,) = result.events
    assert summary["counts"] == {"attempts": 0, "running": 0}


def test_another_machine_sees_all_of_it_on_the_remote(rig: Rig) -> None:
    talked(rig, 3)
    there = rig.folder / "there"
    rig.git("clone", "--quiet", "--branch", FEATURE, str(rig.remote), str(there), cwd=rig.folder)
    state = {"XDG_STATE_HOME": str(rig.folder / "other-state")}
    (found,) = rig.run("status", cwd=there, **state).of("row")
    assert (found["state"], found["outcome"]) == ("ended", "succeeded")
    assert found["backend"] == "local"
    assert "where" not in found
    judged = rig.run("verify", "T001", cwd=there, **state)
    assert judged.outcome("T001")["code"] == "verified"
    log = rig.run("logs", "T001", cwd=there, **state)
    assert [event for event in log.events if "seq" in event] == rig.journal()
    followed = rig.run("follow", "T001", cwd=there, **state)
    assert seqs(followed.events) == whole(rig)
    assert rig.run("merge", cwd=there, **state).code == 0
    assert rig.ticked() == {"T001"}


def test_another_machine_does_not_start_what_began_here(rig: Rig) -> None:
    held(rig)
    until(lambda: any("start" in ref for ref in rig.remote_refs()))
    there = rig.folder / "there"
    rig.git("clone", "--quiet", "--branch", FEATURE, str(rig.remote), str(there), cwd=rig.folder)
    state = {"XDG_STATE_HOME": str(rig.folder / "other-state")}
    result = rig.run("spawn", "T001", cwd=there, **state)
    assert not result.of("spawned")
    assert not (rig.folder / "other-state" / "sdlc-runner" / "attempts").exists()
    go(rig)
    assert rig.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"


def test_logs_come_from_here_and_from_the_transcript_alike(rig: Rig) -> None:
    talked(rig)
    here = rig.run("logs", "T001")
    journal = rig.journal()
    assert here.events == journal
    shutil.rmtree(rig.state)
    assert rig.run("logs", "t001").events == journal


def test_logs_of_a_running_attempt_are_what_there_is_so_far(rig: Rig) -> None:
    held(rig)
    until(lambda: any(event.get("text") == "held" for event in rig.journal()))
    result = rig.run("logs", "T001")
    assert result.code == 0
    assert result.events == rig.journal()
    go(rig)


def test_what_is_neither_here_nor_on_the_remote_is_said(rig: Rig) -> None:
    talked(rig, 1)
    shutil.rmtree(rig.state)
    rig.git("update-ref", "-d", f"refs/sdlc-runner/{FEATURE}/T001/1/transcript", cwd=rig.remote)
    result = rig.run("logs", "T001")
    assert (result.code, result.error["code"]) == (1, "no_transcript")
    for verb in ("logs", "verify", "retry", "cancel", "follow"):
        unknown = rig.run(verb, "T999")
        assert (unknown.code, unknown.error["code"]) == (2, "no_attempt"), verb
    assert rig.run("spawn", "T999").error["code"] == "unknown_task"


def lines(child: subprocess.Popen[str]) -> list[Event]:
    out, err = child.communicate(timeout=60)
    assert "Traceback" not in err
    return parse(out)


@pytest.mark.slow
def test_watch_shows_what_starts_later_too_and_ends_by_itself(rig: Rig) -> None:
    rig.tasks(ONE.replace("[ASYNC]", "[P] [ASYNC]") + "- [ ] T002 [P] [ASYNC] Write T002.txt\n")
    agent(rig, "if task == 'T001': hold()\nelse: time.sleep(1.5)\n" + WRITE)
    rig.run("spawn", "T001")
    child = rig.start("watch")
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["task"] == "T001"
    assert rig.run("spawn", "T002").code == 0
    go(rig)
    events = lines(child)
    assert child.returncode == 0
    assert {event["task"] for event in events if event["type"] == "outcome"} == {"T001", "T002"}
    assert events[-1]["type"] == "summary"
    assert not [event for event in events if event["type"] == "log"]


@pytest.mark.slow
def test_watch_stops_in_time_and_goes_on_from_its_cursor(rig: Rig) -> None:
    held(rig)
    first = rig.run("watch", "--max-seconds", "0.6", "--detail", "full")
    assert first.code == 4
    cursor = first.of("continue")[0]["cursor"]
    assert f"sdlc-runner watch --cursor {cursor}" in first.of("continue")[0]["hint"]
    go(rig)
    until((rig.attempt() / "exit.json").exists)
    rest = rig.run("watch", "--cursor", cursor, "--detail", "full")
    assert seqs(first.events) + seqs(rest.events) == whole(rig)
    assert rest.outcome("T001")["outcome"] == "succeeded"


def test_watch_with_nothing_to_see_keeps_to_its_time(rig: Rig) -> None:
    rig.tasks(ONE)
    began = time.monotonic()
    result = rig.run("watch", "--max-seconds", "0.3")
    assert time.monotonic() - began < 3
    assert result.code == 0
    assert [event["type"] for event in result.events] == ["summary"]


def test_the_table_on_a_terminal_says_each_task_once(rig: Rig) -> None:
    talked(rig, 1)
    shown = rig.on_terminal("status", "--no-color")
    (line,) = [line for line in shown.splitlines() if "T001" in line]
    assert line.count("T001") == 1
    assert line.split()[:3] == ["T001", "ended", "succeeded"]
    assert line.endswith("not merged yet: `sdlc-runner merge`")
    assert "1 attempt, 0 running." in shown
