"""Cursors: what is written can be read, and what cannot be meant is refused."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.events import cursor
from sdlc_runner.events.cursor import Position

names = st.from_regex(r"\A[A-Z]{1,3}-?[0-9]{1,4}[a-z]?-[1-9][0-9]?\Z")


@st.composite
def positions(draw: st.DrawFn) -> Position:
    edges = sorted(draw(st.sets(st.integers(2, 10_000), max_size=6)))
    gaps = tuple(zip(edges[::2], edges[1::2], strict=False))
    return Position(max([0, *edges]) + draw(st.integers(1, 9)), gaps)


@given(st.dictionaries(names, positions(), max_size=4))
def test_what_is_written_is_read_again(given_: dict[str, Position]) -> None:
    assert cursor.parse(cursor.render(given_)) == given_


def test_how_it_looks() -> None:
    seen = {"T002-1": Position(12, ((3, 5), (8, 8))), "T001-1": Position(57), "T9-1": Position()}
    assert cursor.render(seen) == "T001-1:57,T002-1:12!3-5!8-8"


def test_nothing_is_the_beginning() -> None:
    assert cursor.parse("") == cursor.parse(" \n") == cursor.parse(",") == {}


@pytest.mark.parametrize(
    "text",
    [
        "T001",
        "T001-1",
        "T001-1:",
        "T001-0:3",
        "T001-1:-3",
        "T001-1:3!",
        "T001-1:3!1",
        "T001-1:5!4-3",
        "T001-1:5!0-2",
        "T001-1:5!2-5",
        "T001-1:9!4-5!2-3",
        "T001-1:9!2-4!4-5",
        "T001-1:3;T002-1:4",
        "T001-1:\u0663",
        "T001-1:" + "9" * 5000,
        "@file",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        cursor.parse(text)
    assert caught.value.code is Code.BAD_CURSOR
    assert len(caught.value.message) < 200


@given(st.text())
def test_no_text_makes_it_raise_anything_else(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert cursor.parse(cursor.render(cursor.parse(text))) == cursor.parse(text)


def event(seq: object, task: object = "T001", attempt: object = 1) -> bytes:
    return json.dumps({"task": task, "attempt": attempt, "seq": seq}).encode() + b"\n"


def test_kept_events_say_where_their_owner_stopped() -> None:
    kept = [event(n) for n in (1, 2, 3, 6, 7)] + [event(n, "T002", 2) for n in (3, 1)]
    assert cursor.from_events(kept) == {
        "T001-1": Position(7, ((4, 5),)),
        "T002-2": Position(3, ((2, 2),)),
    }


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'{"task":"T001","attempt":1,"se',
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"task":"T001","attempt":1,"seq":1e999}',
        b'{"task":"T001","attempt":1,"seq":NaN}',
        event(True),  # noqa: FBT003
        event("9"),
        event(2.5),
        event(0),
        event(9, None, "x"),
        event(9, "a,b:c"),
        b'{"task":"T001","attempt":1,"type":"outcome","origin":"client"}',
    ],
)
def test_other_lines_between_them_count_for_nothing(line: bytes) -> None:
    assert cursor.from_events([event(1), line, event(2)]) == {"T001-1": Position(2)}


@given(st.lists(st.binary(max_size=40) | st.integers(-3, 99).map(event)))
def test_a_cursor_of_any_file_can_be_written_and_read(lines: list[bytes]) -> None:
    found = cursor.from_events(lines)
    assert cursor.parse(cursor.render(found)) == found
