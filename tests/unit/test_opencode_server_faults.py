"""A server that dies, hangs and breaks off: every run of the agent ends, and in time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.events.types import EventType, Outcome
from sdlc_runner.worker.agents.limits import Heartbeat
from sdlc_runner.worker.agents.opencode_events import Translator
from sdlc_runner.worker.agents.opencode_server.client import Server
from sdlc_runner.worker.agents.opencode_server.turn import Turn
from sdlc_runner.worker.masking import Masker
from support.opencode.fake_agent_server import (
    IDLE,
    ROOT,
    FakeServer,
    Listener,
    about,
    finish,
    part,
    tool,
)
from support.opencode.fake_served_agent import SAID, WELL, breaks, message, plays, run

if TYPE_CHECKING:
    from pathlib import Path

    from support.agent_fixtures import Heard


def test_a_broken_stream_is_opened_again_and_nothing_is_reported_twice(
    tmp_path: Path, heard: Heard
) -> None:
    before = (tool("running"), finish("tool-calls", "prt_2"))
    missed = (tool("completed"), part("step-start", "prt_3"), SAID, finish())
    streams = [breaks(*before), breaks(tool("running")), plays(*before, *missed, IDLE)]
    stored = [message(*before), message(*missed, time={"completed": 1})]
    answers = {f"GET /session/{ROOT}/message": (200, stored)}
    with FakeServer(streams, answers) as fake:
        end = run(fake, tmp_path, heard)
    assert end.ok
    assert end.usage.tokens == 240
    assert len(heard.of(EventType.MESSAGE)) == 1
    assert len(heard.of(EventType.TOOL)) == 2
    assert fake.calls.count(f"POST /session/{ROOT}/prompt_async") == 1


def test_an_end_that_no_one_read_is_read(tmp_path: Path, heard: Heard) -> None:
    stored = [message(role="user"), message(*WELL[:-1], time={"completed": 1})]
    answers = {
        f"GET /session/{ROOT}/message": (200, stored),
        "GET /session/status": (200, {}),
    }
    with FakeServer([breaks(), plays()], answers) as fake:
        end = run(fake, tmp_path, heard)
    assert end.ok
    assert heard.of(EventType.MESSAGE) == [{"text": "Done."}]


def test_an_error_that_no_one_read_is_read(tmp_path: Path, heard: Heard) -> None:
    error = {"name": "APIError", "data": {"message": "bad key", "statusCode": 401}}
    answers = {
        f"GET /session/{ROOT}/message": (200, [message(error=error)]),
        "GET /session/status": (200, {}),
    }
    with FakeServer([breaks(), plays()], answers) as fake:
        assert run(fake, tmp_path, heard).code == "model_refused"


def test_a_session_that_is_busy_is_not_over(tmp_path: Path, heard: Heard) -> None:
    stored = [message(*WELL[:-1], time={"completed": 1})]
    answers = {f"GET /session/{ROOT}/message": (200, stored)}
    with FakeServer([breaks(), plays()], answers) as fake:
        assert run(fake, tmp_path, heard, idle_seconds=1).code == "idle_limit"


def test_a_server_that_is_gone_is_reported_within_seconds(tmp_path: Path, heard: Heard) -> None:
    began = time.monotonic()
    with FakeServer() as fake:

        def die(listener: Listener) -> None:
            listener.send(tool("running"))
            threading.Thread(target=fake.close).start()

        fake.streams.append(die)
        end = run(fake, tmp_path, heard)
    assert (end.status, end.code) == (Outcome.FAILED, "agent_server_died")
    assert "container" in end.hint
    assert time.monotonic() - began < 12


def test_a_server_that_forgot_the_session_was_started_again(tmp_path: Path, heard: Heard) -> None:
    answers = {f"GET /session/{ROOT}": (404, {"name": "NotFoundError"})}
    with FakeServer([breaks(tool("running")), plays()], answers) as fake:
        began = time.monotonic()
        end = run(fake, tmp_path, heard)
    assert (end.status, end.code) == (Outcome.FAILED, "agent_server_died")
    assert time.monotonic() - began < 3


def test_a_server_that_is_being_started_is_not_listened_to_before_it_answers(
    tmp_path: Path, heard: Heard
) -> None:
    health = "GET /global/health"
    with FakeServer([breaks(tool("running")), plays(*WELL)]) as fake:

        def break_off(_: Listener) -> None:
            if fake.calls.count(health) == 3:
                del fake.answers[health]  # from now on it is well

        fake.answers[health] = break_off
        assert run(fake, tmp_path, heard).ok
    first = fake.calls.index(health)
    assert fake.calls[first : first + 5] == [*[health] * 4, "GET /event"]


def test_streams_that_all_break_at_once_end_the_run(tmp_path: Path, heard: Heard) -> None:
    with FakeServer([breaks()]) as fake:
        fake.answers["GET /global/health"] = (200, {})
        end = run(fake, tmp_path, heard, idle_seconds=2)
    assert (end.status, end.code) == (Outcome.IDLE, "idle_limit")


@pytest.mark.parametrize("is_well", [True, False])
def test_a_stream_that_falls_silent_is_opened_again(
    tmp_path: Path, heard: Heard, *, is_well: bool
) -> None:
    with FakeServer([plays(tool("running")), plays(*WELL)]) as fake:
        if not is_well:
            fake.answers["GET /global/health"] = lambda listener: listener.hold()
        translator = Translator(tmp_path)
        turn = Turn(
            Server(fake.port, "pw", str(tmp_path)),
            translator,
            Heartbeat(0, heard.emit),
            lambda: None,
            heard.emit,
            Masker([]),
            silence=0.5,
        )
        verdict = turn.run("title", {})
    assert verdict.code == "agent_finished"
    assert len(heard.of(EventType.TOOL)) == 2
    assert fake.calls.count("GET /event") == 2


def test_silence_of_the_agent_is_idle(tmp_path: Path, heard: Heard) -> None:
    def beat(listener: Listener) -> None:
        while True:
            listener.send({"type": "server.heartbeat", "properties": {}})
            time.sleep(0.1)

    with FakeServer([beat]) as fake:
        end = run(fake, tmp_path, heard, idle_seconds=1)
    assert (end.status, end.code) == (Outcome.IDLE, "idle_limit")
    assert f"POST /session/{ROOT}/abort" in fake.calls


@pytest.mark.parametrize("answers_again", [True, False])
def test_silence_of_the_model_is_reported_as_such(
    tmp_path: Path, heard: Heard, *, answers_again: bool
) -> None:
    retry = about("session.status", status={"type": "retry", "message": "Unable to connect."})
    answer = [finish("tool-calls")] if answers_again else []
    with FakeServer([plays(retry, *answer)]) as fake:
        end = run(fake, tmp_path, heard, idle_seconds=1)
    assert end.code == "idle_limit"
    said = "; its model did not answer: Unable to connect."
    assert end.message.endswith(said) is not answers_again


@pytest.mark.parametrize(
    "silent", ["GET /event", "POST /session", f"POST /session/{ROOT}/prompt_async"]
)
def test_a_server_that_never_answers_is_hung(tmp_path: Path, heard: Heard, silent: str) -> None:
    def never(listener: Listener) -> None:
        listener.hold()

    began = time.monotonic()
    with FakeServer([plays(*WELL)] if "event" not in silent else []) as fake:
        fake.answers[silent] = fake.answers["GET /global/health"] = never
        end = run(fake, tmp_path, heard, idle_seconds=1)
    assert (end.status, end.code) == (Outcome.IDLE, "agent_server_hung")
    assert time.monotonic() - began < 12


def test_being_reported_to_stop_ends_it_at_once_and_aborts(tmp_path: Path, heard: Heard) -> None:
    began = time.monotonic()
    with FakeServer([plays(tool("running"))]) as fake:
        end = run(fake, tmp_path, heard, stop_after=0.5)
    assert (end.status, end.code) == (Outcome.INTERRUPTED, "signal")
    assert f"POST /session/{ROOT}/abort" in fake.calls
    assert time.monotonic() - began < 3
