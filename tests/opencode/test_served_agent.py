"""The agent behind the real server of OpenCode: its work, its limits, its end."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import pytest

from sdlc_runner.config.settings import Limits
from sdlc_runner.events.types import EventType, Outcome
from support.agent_fixtures import is_gone, wait_until
from support.model.server import KEY, Call, Rule, Turn, calls, says, shell, writes
from support.opencode.real_server import LONG, Real

pytestmark = [pytest.mark.opencode, pytest.mark.slow]


def test_works_and_says_more_than_a_run_does(real: Real) -> None:
    child = {"description": "look", "prompt": "child work", "subagent_type": "general"}

    turns = (
        writes("src/new.py", "x = 1\n"),
        calls(shell("echo a; env"), Call("task", child)),
        lambda request: says(f"All done. {request.results[-2]}"),
    )
    real.model.rules = [
        Rule("child work", (calls(shell("echo child")), says("The child is done."))),
        Rule("task T001", turns),
    ]
    agent = real.agent()
    end = agent.run(Limits(), "Do task T001", real.heard.emit)
    assert (end.status, end.code) == (Outcome.SUCCEEDED, "agent_finished"), end
    assert (real.work / "src/new.py").read_text() == "x = 1\n"
    tools = [
        (tool["name"], tool["target"], tool["status"]) for tool in real.heard.of(EventType.TOOL)
    ]
    for name, target in (
        ("write", "src/new.py"),
        ("bash", "echo a; env"),
        ("bash", "echo child"),
        ("task", "look"),
    ):
        assert tools.count((name, target, "running")) == 1
        assert tools.count((name, target, "completed")) == 1
    assert end.usage.input_tokens == 500
    assert {"text": "The child is done."} in real.heard.of(EventType.MESSAGE)
    assert end.last_message.startswith("All done.")
    assert "SPECIFY_FEATURE_DIRECTORY=specs/001-demo" in end.last_message
    assert KEY not in end.last_message


def test_growing_output_does_not_flood(real: Real) -> None:
    loud = "for i in $(seq 1 300); do printf '%0200d\\n' $i; done"
    assert real.run(calls(shell(loud)), says("done")).ok
    assert len(real.heard.of(EventType.TOOL)) == 2
    assert len(real.heard.events) < 10


def test_a_refusal_is_reported(real: Real) -> None:
    end = real.run(Turn(status=401))
    assert (end.status, end.code) == (Outcome.FAILED, "model_refused")
    assert "refused with 401" in end.message


def test_an_unknown_model_is_reported(real: Real) -> None:
    end = real.run(says("x"), model="scripted/absent", idle_seconds=20)
    assert (end.status, end.code) == (Outcome.FAILED, "model_error"), end


def test_a_permission_that_asks_is_not_success(real: Real) -> None:
    (real.work / "opencode.json").write_text(
        '{"$schema":"https://opencode.ai/config.json","permission":{"*":"deny","bash":"ask"}}'
    )
    end = real.run(calls(shell("echo hi")), says("done"))
    assert (end.status, end.code) == (Outcome.FAILED, "permission_rejected")
    codes = [warning["code"] for warning in real.heard.of(EventType.WARNING)]
    assert codes == ["permission_rejected"]


def test_the_run_limit_ends_it_and_its_commands(real: Real) -> None:
    began = time.monotonic()
    end = real.run(calls(shell(f"echo $$ > pid; trap '' TERM; {LONG}")), run_seconds=10)
    assert (end.status, end.code) == (Outcome.TIMED_OUT, "run_limit")
    assert time.monotonic() - began < 25
    assert is_gone(int((real.work / "pid").read_text()))
    assert not (real.work / "never").exists()


def test_a_silent_command_is_idle_in_a_server_that_is_well(real: Real) -> None:
    end = real.run(calls(shell(LONG)), idle_seconds=3)
    assert (end.status, end.code) == (Outcome.IDLE, "idle_limit")


def test_a_budget_ends_a_talkative_model(real: Real) -> None:
    end = real.run(lambda request: calls(shell(f"echo {request.turn}")), tokens=500)
    assert (end.status, end.code) == (Outcome.BUDGET_EXCEEDED, "token_budget")
    asked = len(real.model.requests)
    time.sleep(0.5)
    assert len(real.model.requests) == asked


def test_answers_without_end_are_stopped(real: Real) -> None:
    end = real.run(Turn("and so on", finish=None))
    assert (end.status, end.code) == (Outcome.FAILED, "model_error")


def test_an_answer_cut_short_is_incomplete(real: Real) -> None:
    assert real.run(Turn("I was going to", finish="length")).code == "agent_incomplete"


def test_being_reported_to_stop_aborts(real: Real) -> None:
    real.model.rules = [Rule(".", (calls(shell(LONG)),))]
    agent = real.agent()

    def stop() -> None:
        wait_until((real.work / "begun").exists, 60)
        agent.stop.set()

    threading.Thread(target=stop).start()
    end = agent.run(Limits(), "Do task T001", real.heard.emit)
    assert (end.status, end.code) == (Outcome.INTERRUPTED, "signal")
    time.sleep(0.2)
    status = agent.server.call("GET", "/session/status").value
    assert status == {}


def test_what_the_agent_leaves_running_is_ended(real: Real) -> None:
    stray = "setsid sh -c 'echo $$ > pid; sleep 60' >/dev/null 2>&1 & sleep 0.3"
    assert real.run(calls(shell(stray)), says("done")).ok
    assert is_gone(int((real.work / "pid").read_text()))


def test_what_starts_itself_again_is_ended_too(real: Real) -> None:
    """Many that live for a moment, each with an heir: some are born while others are killed."""
    script = real.work / "heirs.sh"
    script.write_text('sleep 0.05\n[ "$1" -eq 0 ] || sh "$0" $(($1 - 1)) &\n')
    stray = f"for i in $(seq 20); do setsid sh {script} 400 >/dev/null 2>&1 & done; sleep 0.3"
    assert real.run(calls(shell(stray)), says("done")).ok
    assert not running(str(script))


def running(text: str) -> list[int]:
    """Return the processes whose command line has a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found
