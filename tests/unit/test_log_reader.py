"""Reading a log: every event once, whatever is between them and however the bytes arrive."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlc_runner.events.codec import AttemptKey, check
from sdlc_runner.events.cursor import Position
from sdlc_runner.events.log_reader import Reader
from sdlc_runner.events.types import LINE_LIMIT, EventType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sdlc_runner.events.log_reader import LogEntry

KEY = AttemptKey("001-demo", "T001", 1)


def line(seq: int, text: str = "hello", **more: object) -> bytes:
    record = {
        "v": 1,
        "seq": seq,
        "time": "2026-01-01T00:00:00.000Z",
        "feature": "001-demo",
        "task": "T001",
        "attempt": 1,
        "type": "log",
        "text": text,
        **more,
    }
    return json.dumps(record, separators=(",", ":")).encode()


def log(numbers: Iterable[int]) -> bytes:
    return b"".join(line(number) + b"\n" for number in numbers)


def seqs(found: Sequence[LogEntry]) -> list[int]:
    return [item.event.seq for item in found if item.event.seq is not None]


def gaps(found: Sequence[LogEntry]) -> list[tuple[int, int, bool]]:
    events = [item.event for item in found if item.event.type is EventType.GAP]
    return [(e.fields["from"], e.fields["to"], e.fields["recovered"]) for e in events]


def test_events_come_as_the_lines_they_were() -> None:
    found = Reader(KEY).feed(log(range(1, 4)))
    assert [item.line for item in found] == [line(1), line(2), line(3)]


def test_a_line_is_taken_when_it_is_whole() -> None:
    reader = Reader(KEY)
    assert reader.feed(line(1)) == []
    assert seqs(reader.feed(b"\n" + line(2))) == [1]
    assert seqs(reader.finish()) == [2]
    assert reader.finish() == []


def test_what_was_seen_is_not_seen_again() -> None:
    reader = Reader(KEY)
    reader.feed(log([1, 2, 3]))
    assert reader.feed(log([1, 2, 3])) == []
    assert seqs(reader.feed(log([3, 4]))) == [4]


def test_it_goes_on_after_a_position() -> None:
    assert seqs(Reader(KEY, Position(2)).feed(log(range(1, 5)))) == [3, 4]


def test_a_hole_is_named_once_and_kept_in_the_position() -> None:
    reader = Reader(KEY)
    found = reader.feed(log([1, 2, 5, 6, 8]))
    assert gaps(found) == [(3, 4, False), (7, 7, False)]
    assert reader.position == Position(8, ((3, 4), (7, 7)))


def test_a_transcript_fills_the_holes_and_the_end() -> None:
    reader = Reader(KEY)
    reader.feed(log([1, 4]))
    found = reader.refill(log(range(1, 7)).splitlines())
    assert seqs(found) == [2, 3, 5, 6]
    assert gaps(found) == [(2, 3, True)]
    late = [json.loads(item.line).get("refilled") for item in found]
    assert late == [True, True, None, None, None]
    assert reader.position == Position(6)
    assert reader.refill(log(range(1, 7)).splitlines()) == []


def test_a_transcript_with_a_hole_of_its_own_names_it() -> None:
    reader = Reader(KEY)
    reader.feed(log([1, 4]))
    found = reader.refill(log([1, 2, 4, 5, 8]).splitlines())
    assert gaps(found) == [(6, 7, False)]
    assert seqs(found) == [5, 8]
    assert reader.position == Position(8, ((2, 3), (6, 7)))


def test_it_is_complete_only_with_the_result_and_without_holes() -> None:
    end = line(4, type="result", status="failed")
    assert not Reader(KEY).is_complete
    for numbers, complete in ((range(1, 4), True), ((1, 3), False)):
        reader = Reader(KEY)
        reader.feed(log(numbers))
        assert not reader.is_complete
        reader.feed(end + b"\n")
        assert reader.is_complete is complete


@pytest.mark.parametrize(
    "bad",
    [
        line(1, task="T002"),
        line(1, attempt=2),
        line(1, feature="002-other"),
        line(1, v=2),
        line(1, type="outcome", outcome="succeeded", code="verified", message="x"),
        line(1, origin="client"),
        line(1)[:-1],
        b"[" * 10_000,
        line(1, "x" * LINE_LIMIT),
        b"\xff\xfe",
    ],
)
def test_what_is_no_event_of_the_attempt_is_a_log_of_ours(bad: bytes) -> None:
    (found,) = Reader(KEY).feed(bad + b"\n")
    assert found.event.type is EventType.LOG
    assert found.event.seq is None
    assert json.loads(found.line)["origin"] == "client"


def test_the_end_of_a_line_too_long_is_no_line_of_its_own() -> None:
    """Otherwise anyone who can print a long line could forge an event at its end."""
    for cut in (LINE_LIMIT + 1, LINE_LIMIT + 5000):
        data = b"x" * cut + line(1) + b"\n" + line(1, "real") + b"\n"
        reader = Reader(KEY)
        found = reader.feed(data[:cut]) + reader.feed(data[cut:])
        assert [item.event.seq for item in found] == [None, 1]
        assert found[1].event.fields["text"] == "real"


def test_texts_are_cleaned_and_secrets_masked() -> None:
    token = "ghp_" + "a" * 36
    (found,) = Reader(KEY).feed(line(1, f"\x1b[31mred\x1b[0m \u202e{token}\r") + b"\n")
    assert found.event.fields["text"].startswith("red ")
    assert token.encode() not in found.line
    assert b"\\u001b" not in found.line
    assert b"\\u202e" not in found.line


garbage = st.one_of(
    st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"")),
    st.integers(1, 9).map(lambda seq: line(seq, task="T002")),
    st.integers(1, 9).map(lambda seq: line(seq, type="nonsense")),
    st.sampled_from([b"x" * (LINE_LIMIT + 10) + line(99), b"{", b"null", b"\xc3", b" "]),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[int, bytes, list[int]]:
    """Events 1 to N with garbage between them, some of them doubled; and where it is cut."""
    count = draw(st.integers(0, 8))
    pieces: list[bytes] = []
    for seq in range(1, count + 1):
        pieces += draw(st.lists(garbage, max_size=2))
        pieces += [line(seq, draw(st.text(max_size=5)))] * draw(st.integers(1, 2))
    data = b"".join(piece + b"\n" for piece in pieces)
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=6))
    return count, data, sorted(cuts)


@given(streams())
def test_however_it_is_cut_each_event_comes_once_in_order(
    stream: tuple[int, bytes, list[int]],
) -> None:
    count, data, cuts = stream
    reader, found = Reader(KEY), []
    for start, end in pairwise([0, *cuts, len(data)]):
        found += reader.feed(data[start:end])
    found += reader.finish()
    assert seqs(found) == list(range(1, count + 1))
    assert reader.position == Position(count)
    at_once = Reader(KEY).feed(data)
    assert [item.event.fields for item in found] == [item.event.fields for item in at_once]


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(0, 5))
def test_no_bytes_make_it_raise_or_say_what_is_no_event(chunks: list[bytes], last: int) -> None:
    reader = Reader(KEY, Position(last))
    found = [item for chunk in chunks for item in reader.feed(chunk)]
    found += reader.finish() + reader.refill(chunks)
    for item in found:
        record = json.loads(item.line)
        assert check(record) is None
        assert b"\n" not in item.line


@given(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_log_and_transcript_together_give_each_event_once(logged: set[int], kept: set[int]) -> None:
    reader = Reader(KEY)
    found = reader.feed(log(sorted(logged)))
    found += reader.refill(log(sorted(kept)).splitlines())
    seen = seqs(found)
    assert len(set(seen)) == len(seen)
    missing = {seq for first, last in reader.gaps for seq in range(first, last + 1)}
    assert set(seen) | missing == set(range(1, reader.last + 1))
    assert set(seen) & missing == set()
