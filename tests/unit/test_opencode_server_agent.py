"""What an agent does behind a server becomes events, and an end."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.config.settings import VerifySettings
from sdlc_runner.errors import Code, RunnerError
from sdlc_runner.events.types import EventBody, EventType, Outcome
from sdlc_runner.worker.agents import verify_commands
from sdlc_runner.worker.shutdown import ShutdownRequested
from support.agent_fixtures import SPEC, Heard
from support.opencode.fake_agent_server import IDLE, ROOT, FakeServer, about, finish, part, tool
from support.opencode.fake_served_agent import WELL, plays, run, served

if TYPE_CHECKING:
    from pathlib import Path


def test_what_the_server_says_becomes_events(tmp_path: Path, heard: Heard) -> None:
    with FakeServer([plays(*WELL)]) as fake:
        end = run(fake, tmp_path, heard)
    assert (end.status, end.code, end.last_message) == (
        Outcome.SUCCEEDED,
        "agent_finished",
        "Done.",
    )
    assert [event["status"] for event in heard.of(EventType.TOOL)] == ["running", "completed"]
    assert end.usage.tokens == 120
    assert f"POST /session/{ROOT}/abort" not in fake.calls


def test_growing_output_is_reported_once(tmp_path: Path, heard: Heard) -> None:
    growing = [tool("running", output="x" * size) for size in range(0, 300_000, 1000)]
    with FakeServer([plays(*growing, *WELL)]) as fake:
        assert run(fake, tmp_path, heard).ok
    assert len(heard.of(EventType.TOOL)) == 2


def test_child_sessions_are_reported_and_decide_nothing(tmp_path: Path, heard: Heard) -> None:
    child = about("session.created", "ses_child", info={"id": "ses_child", "parentID": ROOT})
    events = (
        child,
        tool("completed", "prt_2", "ses_child"),
        finish("length", "prt_3", "ses_child"),
        about("session.idle", "ses_child"),
        about("session.error", "ses_child", error={"name": "X"}),
        tool("completed", "prt_4", "ses_stranger"),
        *WELL,
    )
    with FakeServer([plays(*events)]) as fake:
        end = run(fake, tmp_path, heard)
    assert end.ok
    assert end.usage.tokens == 240
    assert len(heard.of(EventType.TOOL)) == 3


def test_a_question_ends_it(tmp_path: Path, heard: Heard) -> None:
    asked = about("permission.asked", id="per_1", permission="bash", patterns=["rm\x1b[31m *"])
    with FakeServer([plays(asked)]) as fake:
        end = run(fake, tmp_path, heard)
    assert (end.status, end.code) == (Outcome.FAILED, "permission_rejected")
    assert heard.of(EventType.WARNING)[0]["message"] == "rejected: bash rm *"
    assert f"POST /session/{ROOT}/abort" in fake.calls


def test_an_abort_by_someone_else_is_reported(tmp_path: Path, heard: Heard) -> None:
    error = about("session.error", error={"name": "MessageAbortedError", "data": {}})
    with FakeServer([plays(tool("running"), error, IDLE)]) as fake:
        assert run(fake, tmp_path, heard).code == "agent_aborted"


def test_an_end_without_a_last_step_is_incomplete(tmp_path: Path, heard: Heard) -> None:
    with FakeServer([plays(tool("completed"), finish("length"), IDLE)]) as fake:
        assert run(fake, tmp_path, heard).code == "agent_incomplete"


def test_a_budget_holds(tmp_path: Path, heard: Heard) -> None:
    with FakeServer([plays(finish("tool-calls"), finish("tool-calls", "prt_8"))]) as fake:
        end = run(fake, tmp_path, heard, tokens=200)
    assert (end.status, end.code) == (Outcome.BUDGET_EXCEEDED, "token_budget")
    assert f"POST /session/{ROOT}/abort" in fake.calls


def test_a_refused_prompt_is_reported_in_the_servers_words(tmp_path: Path, heard: Heard) -> None:
    answer = (400, {"data": {"message": "no such model"}})
    with FakeServer([plays()], {f"POST /session/{ROOT}/prompt_async": answer}) as fake:
        end = run(fake, tmp_path, heard)
    assert end.code == "agent_server_refused"
    assert "no such model" in end.message


def test_secrets_are_masked_before_anything_is_cut(tmp_path: Path, heard: Heard) -> None:
    text = "x" * 190 + "top-secret-value"
    state = {"status": "completed", "input": {"command": text}}
    odd = part("tool", "prt_1", tool="bash", state=state)
    with FakeServer([plays(odd, finish(), IDLE)]) as fake:
        run(fake, tmp_path, heard, secrets=("top-secret-value",))
    assert heard.of(EventType.TOOL)[0]["target"] == "x" * 190 + "***"


def test_nothing_is_left_when_emit_fails(tmp_path: Path) -> None:
    def emit(_body: EventBody) -> None:
        raise OSError(28, "disk full")

    with FakeServer([plays(tool("running"))]) as fake:
        agent = served(tmp_path, fake.port)
        with pytest.raises(OSError, match="disk full"):
            agent.run(SPEC.limits, "the prompt", emit)
    assert f"POST /session/{ROOT}/abort" in fake.calls


def test_a_server_that_does_not_start_is_late(tmp_path: Path) -> None:
    with FakeServer() as fake:
        port = fake.port
    agent = replace(served(tmp_path, port), start_seconds=0.5)
    with pytest.raises(RunnerError) as raised:
        agent.prepare()
    assert raised.value.code is Code.AGENT_SERVER_LATE


def test_a_wrong_password_is_reported(tmp_path: Path) -> None:
    answers = {"GET /global/health": (401, None)}
    with FakeServer([], answers) as fake, pytest.raises(RunnerError) as raised:
        served(tmp_path, fake.port).prepare()
    assert raised.value.code is Code.AGENT_SERVER_REFUSED


def test_waiting_for_a_start_can_be_broken_off(tmp_path: Path) -> None:
    with FakeServer([], {"GET /global/health": lambda listener: listener.hold()}) as fake:
        agent = served(tmp_path, fake.port)
        threading.Timer(0.3, agent.stop.set).start()
        began = time.monotonic()
        with pytest.raises(ShutdownRequested):
            agent.prepare()
    assert time.monotonic() - began < 1.5


def test_a_command_that_the_server_never_ran_has_no_good_exit(tmp_path: Path, heard: Heard) -> None:
    output = {"parts": [{"type": "tool", "state": {"output": "all well\n0123 0\n"}}]}
    answers = {f"POST /session/{ROOT}/shell": (200, output)}
    with FakeServer([], answers) as fake:
        agent = served(tmp_path, fake.port)
        agent.spec = replace(SPEC, verify=VerifySettings(commands=("make",)))
        [record] = verify_commands.run_all(agent, agent.spec, heard.emit, agent.stop)
    assert record == {"command": "make", "exit": 125, "output": "all well\n0123 0"}


def test_no_server_for_the_verify_commands_is_reported(tmp_path: Path, heard: Heard) -> None:
    with FakeServer() as fake:
        port = fake.port
    agent = served(tmp_path, port)
    agent.spec = replace(SPEC, verify=VerifySettings(commands=("make",)))
    with pytest.raises(RunnerError) as raised:
        verify_commands.run_all(agent, agent.spec, heard.emit, agent.stop)
    assert raised.value.code is Code.AGENT_SERVER_DIED


def test_a_turn_ends_quickly_though_the_server_is_gone(tmp_path: Path) -> None:
    with FakeServer() as fake:
        port = fake.port
    began = time.monotonic()
    with served(tmp_path, port).turn():
        json.dumps("nothing")
    assert time.monotonic() - began < 1
