"""Events: what is written, and what hostile lines become."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any

import pytest

from sdlc_runner.events.codec import AttemptKey, Event, check, clean, client_event, now, parse
from sdlc_runner.events.types import (
    FROM_ATTEMPT,
    LINE_LIMIT,
    NUMBER_LIMIT,
    TEXT_LIMIT,
    EventType,
    QueuedEvent,
    SummaryEvent,
)

KEY = AttemptKey("001-demo", "T001", 1)
TIME = "2026-01-31T09:30:00.000Z"
LOG: dict[str, Any] = {
    "v": 1,
    "seq": 7,
    "time": TIME,
    "feature": "001-demo",
    "task": "T001",
    "attempt": 1,
    "type": "log",
    "text": "hello",
}


def line(**keys: object) -> str:
    """One line of a log event with some of its keys changed; ``...`` leaves a key out."""
    record = {**LOG, **keys}
    return json.dumps({name: value for name, value in record.items() if value is not ...})


def text_of(**keys: object) -> Any:  # noqa: ANN401  a test compares whatever it is
    event = parse(line(**keys), KEY)
    assert event is not None
    return event.fields["text"]


# --- writing


def test_the_first_keys_stand_in_the_documented_order() -> None:
    event = Event(EventType.LOG, TIME, {"text": "hello", "stream": None}, KEY, 7)
    assert event.to_line() == (
        '{"v":1,"seq":7,"time":"2026-01-31T09:30:00.000Z","feature":"001-demo","task":"T001",'
        '"attempt":1,"type":"log","text":"hello"}'
    )


def test_a_client_event_has_an_origin_and_no_seq() -> None:
    record = client_event(QueuedEvent(reason="full"), KEY).to_record()
    assert list(record) == "v time feature task attempt type origin reason".split()
    assert (record["origin"], check(record)) == ("client", None)


def test_what_is_unknown_is_absent() -> None:
    of_feature = client_event(QueuedEvent(reason="full"), AttemptKey("001-demo", "", 0))
    assert list(of_feature.to_record()) == "v time feature type origin reason".split()
    of_nothing = client_event(QueuedEvent(reason="full"))
    assert list(of_nothing.to_record()) == "v time type origin reason".split()


def test_a_line_is_utf_8_as_it_stands_and_has_no_breaks() -> None:
    event = client_event(QueuedEvent(reason="größer ✓\nnext\u2028last\ud800"))
    assert event.to_line().endswith('"reason":"größer ✓ next last?"}')


def test_client_events_are_clean_all_the_way_down() -> None:
    event = client_event(
        SummaryEvent(
            verb="run",
            verdict="",
            ok=True,
            exit=0,
            counts={"a\x1b[31mb": ("\x07c", 1, None, {"d": "\n"})},
        )
    )
    assert event.fields["counts"] == {"ab": ["c", 1, None, {"d": " "}]}


def test_now_is_utc_with_milliseconds() -> None:
    stamp = now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    age = datetime.now(timezone.utc) - datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    assert abs(age.total_seconds()) < 60


def test_a_key_is_written_as_people_do() -> None:
    assert str(KEY) == "T001-1"


# --- reading


def test_an_event_of_the_attempt_round_trips() -> None:
    event = parse(line(), KEY)
    assert event == Event(EventType.LOG, TIME, {"text": "hello"}, KEY, 7)
    assert json.loads(event.to_line()) == LOG
    assert parse(event.to_line().encode(), KEY) == event


def test_unknown_keys_are_kept() -> None:
    event = parse(line(colour="red", deep={"a": [1, 2.5, True, None]}), KEY)
    assert event is not None
    assert event.fields["deep"] == {"a": [1, 2.5, True, None]}


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("", id="empty"),
        pytest.param("DONE", id="no JSON"),
        pytest.param("[]", id="a list"),
        pytest.param("7", id="a number"),
        pytest.param("null", id="null"),
        pytest.param(line()[:-1], id="cut off"),
        pytest.param(line() * 2, id="two in one line"),
        pytest.param(b"\xff\xfe" + line().encode(), id="no UTF-8"),
        pytest.param(line(feature="002-other"), id="another feature"),
        pytest.param(line(task="T002"), id="another task"),
        pytest.param(line(attempt=2), id="another attempt"),
        pytest.param(line(attempt=True), id="attempt true"),
        pytest.param(line(feature=...), id="no feature"),
        pytest.param(line(task=...), id="no task"),
        pytest.param(line(attempt=...), id="no attempt"),
        pytest.param(line(seq=...), id="no seq"),
        pytest.param(line(seq=..., origin="client"), id="client-made"),
        pytest.param(line(origin="client"), id="seq and origin"),
        pytest.param(line(seq=0), id="seq 0"),
        pytest.param(line(seq=-1), id="seq negative"),
        pytest.param(line(seq=1.0), id="seq with a point"),
        pytest.param(line(seq=True), id="seq true"),
        pytest.param(line(seq="7"), id="seq a text"),
        pytest.param(line(seq=NUMBER_LIMIT + 1), id="seq huge"),
        pytest.param(line().replace("7", "9" * 5000, 1), id="seq of 5000 digits"),
        pytest.param(line(v=2), id="another version"),
        pytest.param(line(v=...), id="no version"),
        pytest.param(line(time="yesterday"), id="no time"),
        pytest.param(line(time=TIME + "\n"), id="time with a line break"),
        pytest.param(line(time=TIME.replace("0", "\u0660")), id="time in other digits"),
        pytest.param(line(time=TIME.replace("Z", "+00:00")), id="time with an offset"),
        pytest.param(line(type="LOG"), id="unknown type"),
        pytest.param(line(type=["log"]), id="type a list"),
        pytest.param(line(type=...), id="no type"),
        pytest.param(line(text=...), id="no text"),
        pytest.param(line(text=None), id="text null"),
        pytest.param(line(text="a" * (TEXT_LIMIT + 1)), id="text too long"),
        pytest.param(line(stream="pod"), id="unknown stream"),
        pytest.param(line(more="a" * LINE_LIMIT), id="line too long"),
        pytest.param(line(more=float("nan")), id="NaN"),
        pytest.param(line(more="?").replace('"?"', "1e999"), id="a number too large"),
        pytest.param("[" * 30_000, id="30,000 brackets"),
        pytest.param(line(more="?").replace('"?"', "[" * 900 + "]" * 900), id="900 levels deep"),
        pytest.param(line(more="?").replace('"?"', "[" * 20 + "]" * 20), id="20 levels deep"),
        pytest.param(line(**{"ori\x07gin": "client"}), id="key that cleaning would rename"),
    ],
)
def test_anything_else_is_no_event(hostile: bytes | str) -> None:
    assert parse(hostile, KEY) is None


@pytest.mark.parametrize("type_", [t for t in EventType if t not in FROM_ATTEMPT])
def test_an_attempt_cannot_speak_for_the_client(type_: EventType) -> None:
    everything = {
        **dict.fromkeys("reason title backend where message code branch into commit".split(), "x"),
        **dict.fromkeys(
            "name cursor verb verdict key value hint session markdown timeline".split(), "x"
        ),
        **dict.fromkeys("line from to exit bytes".split(), 1),
        **dict.fromkeys("ok recovered dry_run".split(), True),
        "disposition": "ready",
        "mode": "ASYNC",
        "outcome": "succeeded",
        "files": [],
        "state": "ended",
        "source": "flag",
        "what": "file",
    }
    forged = {**LOG, **everything, "type": type_.value}
    assert check(forged) is None, "a good event, but for who sent it"
    assert parse(json.dumps(forged), KEY) is None


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param("\x1b[2J\x1b[31mred\x1b[0m", "red", id="ANSI"),
        pytest.param("a\x00b\x08c\x7fd\x9be", "abcde", id="control characters"),
        pytest.param("one\r\ntwo\u2028three\tfour", "one two three four", id="breaks"),
        pytest.param("10%\r20%", "10% 20%", id="a progress bar"),
        pytest.param("abc\u202etxt.exe\u2066", "abc txt.exe ", id="bidi overrides"),
        pytest.param("half \ud800", "half ?", id="lone surrogate"),
        pytest.param("größer 日本 👍", "größer 日本 👍", id="honest text"),
    ],
)
def test_texts_are_cleaned(sent: str, shown: str) -> None:
    assert clean(sent) == text_of(text=sent) == shown
    nested = parse(line(more=[{sent: sent}]), KEY)
    assert nested is not None
    assert nested.fields["more"] == [{shown: shown}]


def test_clean_bounds_what_it_returns_and_what_it_reads() -> None:
    assert clean("abcdef", 4) == "abc…"
    assert clean("abcd", 4) == "abcd"
    assert clean("\x00" * 1_000_000 + "late", 10) == ""
    assert len(clean("\x1b[" * 100_000)) <= TEXT_LIMIT


def test_reading_is_fast_enough_for_a_hundred_thousand_lines() -> None:
    raw = line(text="x" * 120).encode()
    begun = datetime.now(timezone.utc)
    for _ in range(2_000):
        parse(raw, KEY)
    assert (datetime.now(timezone.utc) - begun).total_seconds() < 1
