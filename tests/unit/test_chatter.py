"""The quick way of reading a log: it says of every line what the thorough way says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sdlc_runner.events.codec import AttemptKey, EventType, parse
from sdlc_runner.events.log_reader import Reader, iter_events
from sdlc_runner.events.schema import TEXT_LIMIT

if TYPE_CHECKING:
    from sdlc_runner.events.log_reader import LogBatch

KEY = AttemptKey("001-demo", "T001", 1)
TIME = "2026-01-01T00:00:00.000Z"


def ours(seq: int, text: str, type_: str = "log", key: AttemptKey = KEY, **more: object) -> bytes:
    """An event's line as the journal writes it."""
    record = {"v": 1, "seq": seq, "time": TIME, "feature": key.feature, "task": key.task}
    record |= {"attempt": key.number, "type": type_, "text": text, **more}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def read(lines: list[bytes], key: AttemptKey = KEY) -> list[LogBatch]:
    return Reader(key).feed(b"".join(each + b"\n" for each in lines))


def test_common_events_in_order_are_taken_at_once_as_they_are() -> None:
    lines = [ours(1, "a", stream="stdout"), ours(2, 'say "b" \\ c', "message"), ours(3, "é€🎉")]
    (found,) = read(lines)
    assert found.size == 3
    assert found.line == b"\n".join(lines)
    assert [item.event for item in iter_events([found])] == [parse(each, KEY) for each in lines]


def test_lines_that_are_no_events_are_taken_at_once_as_logs() -> None:
    lines = [b"plain", b'said "so" in C:\\Users', "é€🎉".encode(), b"[1, 2]", b"  indented"]
    (found,) = read(lines)
    assert found.size == 5
    texts = [item.event.fields["text"] for item in iter_events([found])]
    assert texts == [each.decode() for each in lines]


def test_a_feature_may_have_any_name() -> None:
    key = AttemptKey('001-ü.*"x"', "T001", 1)
    (found,) = read([ours(1, "a", key=key), ours(2, "b", key=key)], key)
    assert found.size == 2
    assert all(item.event.seq is None for item in iter_events(read([ours(1, "a")], key)))


odd = st.one_of(
    st.sampled_from(
        [
            b"",
            b" ",
            b"{",
            b"\xff",
            b"a\rb",
            b"\x1b[31mred",
            b"\xc2\x85",
            "\u202e".encode(),
            b"token ghp_" + b"a" * 36,
            b"https://user:password@host/x",
            b"x" * (TEXT_LIMIT + 1),
            ours(1, "other task", key=AttemptKey("001-demo", "T002", 1)),
            ours(1, "x" * TEXT_LIMIT),
            ours(1, "a\\u0041b"),
            ours(1, "x").replace(b'"text":"x"', b'"text":"\\u001b"'),
            ours(1, "x").replace(b'"text":"x"', b'"text":"x\\'),
            ours(1, "x").replace(b"seq", b"s\\u0065q"),
            ours(1, "x").replace(b'"seq":1', b'"seq":01'),
            ours(1, "x").replace(b'"seq":1', b'"seq":9999999999999999'),
            ours(1, "x").replace(TIME.encode(), b"2026-01-01T00:00:00.00xZ"),
            b" " + ours(1, "x"),
            ours(1, "x") + b" ",
            ours(1, "x", "tool", name="write", status="completed"),
            ours(1, "x", "result", status="failed"),
        ]
    ),
    st.text(st.characters(exclude_characters="\n"), max_size=20).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    ),
    st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"")),
)


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """Mostly runs of common lines, with odd ones between them; events may be lost or doubled."""
    lines: list[bytes] = []
    seq = 0
    for _ in range(draw(st.integers(0, 5))):
        length = draw(st.sampled_from([1, 3, 40]))
        match draw(st.sampled_from(["events", "plain", "odd"])):
            case "events":
                text = draw(st.sampled_from(["x", 'a "quoted" \\ text', "é"]))
                first = max(1, seq + 1 + draw(st.sampled_from([0, 0, 0, 2, -2])))
                lines += [ours(number, text) for number in range(first, first + length)]
                seq = max(seq, first + length - 1)
            case "plain":
                lines += [b"line of a build"] * length
            case _:
                lines.append(draw(odd))
    return lines


@given(logs())
def test_many_lines_at_once_are_what_they_are_one_by_one(lines: list[bytes]) -> None:
    at_once = Reader(KEY)
    found = at_once.feed(b"".join(each + b"\n" for each in lines)) + at_once.finish()
    one_by_one = Reader(KEY)
    expected = [item for each in lines for item in _alone(one_by_one, each)]
    told = [(item.type, item.event.seq, item.event.fields) for item in iter_events(found)]
    assert told == [(item.type, item.event.seq, item.event.fields) for item in expected]
    assert at_once.position == one_by_one.position


def _alone(reader: Reader, each: bytes) -> list[LogBatch]:
    """Have one line be read thoroughly: an empty line beside it keeps it from the quick way."""
    found = reader.feed(b"\n" + each + b"\n")
    return list(iter_events(found))


def test_what_keeps_a_line_from_the_quick_way_is_the_line_itself() -> None:
    """The other side of the property above: a line beside an empty one is read in full."""
    (found,) = Reader(KEY).feed(b"\n" + ours(1, "x") + b"\n")
    assert found.made is not None
    (found,) = Reader(KEY).feed(ours(1, "x") + b"\n")
    assert found.made is None
    assert found.type is EventType.LOG
