"""A server that drips, floods and lies: nothing it says breaks anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdlc_runner.events.types import Outcome
from support.opencode.fake_agent_server import IDLE, ROOT, FakeServer, Listener, about, slowly
from support.opencode.fake_served_agent import WELL, breaks, plays, run

if TYPE_CHECKING:
    from pathlib import Path

    from support.agent_fixtures import Heard


def test_limits_hold_also_while_bytes_drip(tmp_path: Path, heard: Heard) -> None:
    with FakeServer([slowly(b"data: " + b"x" * 10_000, 0.01)]) as fake:
        end = run(fake, tmp_path, heard, run_seconds=1)
    assert (end.status, end.code) == (Outcome.TIMED_OUT, "run_limit")


def test_an_answer_that_drips_is_too_slow(tmp_path: Path, heard: Heard) -> None:
    with FakeServer([plays(*WELL)]) as fake:
        fake.answers["POST /session"] = slowly(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 9999, 0.01)
        end = run(fake, tmp_path, heard, run_seconds=1)
    assert (end.status, end.code) == (Outcome.TIMED_OUT, "run_limit")


def test_a_flood_of_nothing_does_not_hide_the_limit(tmp_path: Path, heard: Heard) -> None:
    def flood(listener: Listener) -> None:
        while True:
            listener.raw(b"x" * 65536)

    with FakeServer([flood]) as fake:
        end = run(fake, tmp_path, heard, run_seconds=1)
    assert (end.status, end.code) == (Outcome.TIMED_OUT, "run_limit")


GARBAGE = (
    b"data: {\n",
    b"data: " + b"[" * 100_000 + b"\n",
    b"data: \xff\xfe\x00\n",
    b"data: 7\ndata: null\ndata: []\ndata: {}\n",
    b"data: " + b'{"a":' * 5000 + b"\n",
    b"data: 1" + b"0" * 10_000 + b"\n",
    b"data: " + b"x" * 3_000_000 + b"\n",
    b"\0" * 1000 + b"\n",
)


def test_garbage_between_the_events_harms_nothing(tmp_path: Path, heard: Heard) -> None:
    def play(listener: Listener) -> None:
        for line, event in zip(GARBAGE, [*WELL[:-1], *WELL], strict=False):
            listener.raw(line)
            listener.send(event)
        listener.send(IDLE)
        listener.hold()

    with FakeServer([play]) as fake:
        assert run(fake, tmp_path, heard).ok


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {"sessionID": 7}, {"part": "x"}, [[]]])
def test_wrong_types_harm_nothing(tmp_path: Path, heard: Heard, wrong: object) -> None:
    types = ["message.part.updated", "session.created", "session.status", "session.error", 7, None]
    events = [{"type": type_, "properties": wrong} for type_ in types]
    odd = [
        about("message.part.updated", part=wrong),
        about("session.created", info=wrong),
        about("session.status", status=wrong),
    ]
    with FakeServer([breaks(*events, *odd), plays(*events, *odd, *WELL)]) as fake:
        fake.answers[f"GET /session/{ROOT}/message"] = (200, [wrong, {"info": wrong}])
        fake.answers[f"GET /session/{ROOT}/children"] = (200, [wrong, {"id": wrong}])
        fake.answers["GET /session/status"] = (200, wrong)
        assert run(fake, tmp_path, heard).status in {Outcome.SUCCEEDED, Outcome.FAILED}


@pytest.mark.parametrize("id_", ["", "../x", "a b", "é", 7, None, "x\r\ny: z"])
def test_a_session_without_a_proper_name_is_none(tmp_path: Path, heard: Heard, id_: object) -> None:
    with FakeServer([plays()], {"POST /session": (200, {"id": id_})}) as fake:
        assert run(fake, tmp_path, heard).code == "agent_server_refused"
    assert fake.calls == ["POST /session"]


def test_what_is_no_http_is_no_server(tmp_path: Path, heard: Heard) -> None:
    with FakeServer([plays(*WELL)]) as fake:
        fake.answers["POST /session"] = lambda listener: listener.raw(b"\0garbage\r\n\r\n")
        assert run(fake, tmp_path, heard).code == "agent_server_died"


def test_an_answer_without_end_is_cut_off(tmp_path: Path, heard: Heard) -> None:
    def endless(listener: Listener) -> None:
        listener.raw(b"HTTP/1.0 200 OK\r\n\r\n")
        while True:
            listener.raw(b" " * 1_000_000)

    with FakeServer([plays(*WELL)]) as fake:
        fake.answers["POST /session"] = endless
        assert run(fake, tmp_path, heard).code == "agent_server_died"
