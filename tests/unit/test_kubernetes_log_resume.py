"""A timestamped log cut into lines: each once, however it is cut and wherever it is resumed."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlc_runner.backends.kubernetes.pod_log import LogLines
from sdlc_runner.events.types import LINE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

EPOCH = datetime(2026, 11, 23, 8, 59, 57, tzinfo=timezone.utc)


def stamp(nanoseconds: int, zone: str = "Z") -> bytes:
    """A kubelet's timestamp: no zeros at the end of the fraction, and no fraction if it is 0."""
    seconds, rest = divmod(nanoseconds, 10**9)
    fraction = f".{rest:09}".rstrip("0").rstrip(".")
    hours = 0 if zone == "Z" else int(zone[1:3]) * (-1 if zone[0] == "-" else 1)
    time = EPOCH + timedelta(seconds=seconds, hours=hours)
    return f"{time:%Y-%m-%dT%H:%M:%S}{fraction}{zone}".encode()


def line(nanoseconds: int, text: bytes, zone: str = "Z") -> bytes:
    return stamp(nanoseconds, zone) + b" " + text + b"\n"


def written(times: Iterable[int]) -> list[bytes]:
    """Lines at those times, each with a text of its own."""
    return [line(time, b"line %d" % number) for number, time in enumerate(times)]


def texts(lines: Iterable[bytes]) -> bytes:
    return b"".join(each.partition(b" ")[2] for each in lines)


def since(log: Sequence[bytes], start: str) -> list[bytes]:
    """What a kubelet gives of a log from a time on."""
    if not start:
        return list(log)
    first = datetime.fromisoformat(start.replace("Z", "+00:00"))
    return [each for each in log if _whole_second(each) >= first]


def _whole_second(each: bytes) -> datetime:
    text = each.partition(b" ")[0].decode()
    zone = "+00:00" if text.endswith("Z") else text[-6:]
    return datetime.fromisoformat(text[:19] + zone)


def resumed(
    log: Sequence[bytes],
    cut: int,
    served: Callable[[Sequence[bytes], str], list[bytes]] = since,
) -> bytes:
    """Read a log whose stream is cut after so many bytes, then go on with a new one."""
    reader = LogLines()
    taken = reader.feed(b"".join(log)[:cut])
    start = reader.since
    reader.reconnect()
    return taken + reader.feed(b"".join(served(log, start))) + reader.finish()


SECOND = 10**9


@pytest.mark.parametrize(
    ("case", "times"),
    {
        "one a second": [n * SECOND for n in range(6)],
        "many within one second": [3 * SECOND + n * 1000 for n in range(50)],
        "the same nanosecond": [SECOND] * 6,
        "the same nanosecond, then later ones": [SECOND] * 4 + [SECOND + 5, SECOND + 6],
        "over a second's border": [SECOND - 2, SECOND - 1, SECOND, SECOND + 1],
        "fractions of every length": [SECOND + 10**power for power in range(9)],
        "two streams stamped side by side": [5_000, 9_000, 7_000, 8_000, 12_000, 11_000],
        "a clock set back by 20 ms": [10**8, 2 * 10**8, 3 * 10**8, 2.8 * 10**8, 4 * 10**8],
        "a clock set back by 5 s": [n * SECOND for n in (8, 9, 10, 5, 6, 7, 11)],
        "a clock set forward by an hour": [SECOND, 2 * SECOND, 3602 * SECOND, 3603 * SECOND],
    }.items(),
)
def test_a_cut_anywhere_costs_and_doubles_nothing(case: str, times: list[int]) -> None:
    log = written(int(time) for time in times)
    for cut in range(len(b"".join(log)) + 1):
        # A kubelet leaves out what was stamped before the place: here it forgets nothing.
        served = _everything if "back" in case else since
        assert resumed(log, cut, served) == texts(log), cut


def _everything(log: Sequence[bytes], _start: str) -> list[bytes]:
    return list(log)


def test_identical_lines_are_lines_of_their_own() -> None:
    log = [line(SECOND, b"same")] * 3 + [line(SECOND + 1, b"same")] * 2
    for cut in range(len(b"".join(log))):
        assert resumed(log, cut) == b"same\n" * 5


def test_a_server_may_take_the_time_exactly_or_not_at_all() -> None:
    log = written([SECOND + n * 100 for n in range(20)])
    cut = len(b"".join(log[:7])) + 5
    for first in (0, 3, 6):
        assert resumed(log, cut, functools.partial(_from, first)) == texts(log)


def _from(first: int, log: Sequence[bytes], _start: str) -> list[bytes]:
    return list(log[first:])


@pytest.mark.parametrize("zone", ["+02:00", "-07:00", "+00:00"])
def test_a_node_may_have_a_zone_of_its_own(zone: str) -> None:
    log = [line(SECOND + n * 400_000_000, b"line %d" % n, zone) for n in range(8)]
    reader = LogLines()
    reader.feed(log[0])
    assert reader.since == "2026-11-23T08:59:58Z"
    for cut in range(len(b"".join(log))):
        assert resumed(log, cut) == texts(log)


def test_a_zone_that_changes_on_the_way_moves_no_line() -> None:
    """The hour that comes twice in autumn: the text of the later line is the lesser one."""
    log = [line(n * SECOND, b"line %d" % n, "+02:00" if n < 4 else "+01:00") for n in range(8)]
    for cut in range(len(b"".join(log))):
        assert resumed(log, cut) == texts(log)


def test_what_was_rotated_away_is_not_waited_for() -> None:
    log = written([n * SECOND // 4 for n in range(20)])
    taken = 6
    for left in range(taken, 20):
        reader = LogLines()
        assert reader.feed(b"".join(log[:taken])) == texts(log[:taken])
        reader.reconnect()
        assert reader.feed(b"".join(log[left:])) + reader.finish() == texts(log[left:])


def test_lines_after_a_rotation_within_one_second_are_held_no_longer_than_needed() -> None:
    reader = LogLines()
    reader.feed(line(SECOND + 10, b"taken"))
    reader.reconnect()
    assert reader.feed(line(SECOND + 20, b"new")) == b""
    assert reader.feed(line(2 * SECOND, b"later")) == b"new\nlater\n"


@pytest.mark.parametrize("size", [16_383, 16_384, 16_385, 1 << 20])
def test_long_lines_come_whole_or_cut_once(size: int) -> None:
    """What is too long to be an event is cut; its end is never taken for a line of its own."""
    log = [line(1, b"a"), line(2, b"x" * size), line(3, b"b")]
    data = b"".join(log)
    for piece in (1000, 16_384, 50_001, len(data)):
        reader = LogLines()
        found = b"".join(
            reader.feed(data[at : at + piece]) for at in range(0, len(data), piece)
        ).split(b"\n")
        assert [found[0], found[2:]] == [b"a", [b"b", b""]]
        assert set(found[1]) == {ord("x")}
        assert len(found[1]) == size if size < LINE_LIMIT else len(found[1]) > LINE_LIMIT


def test_a_long_line_that_is_cut_off_comes_once() -> None:
    log = [line(1, b"a"), line(2, b"x" * 200_000), line(SECOND, b"b")]
    for cut in (20, 40_000, 70_000, 150_000, 200_050):
        found = resumed(log, cut).split(b"\n")
        assert [found[0], *found[2:]] == [b"a", b"b", b""]
        assert len(found[1]) > LINE_LIMIT


@pytest.mark.parametrize(
    "text", [b"", b" ", b"two  spaces ", b"\0", b"50%\r60%\r", b"\r", "é€🎉".encode(), b"\xff\xc3"]
)
def test_bytes_within_a_line_stay_as_they_are(text: bytes) -> None:
    log = [line(1, b"before"), line(2, text), line(3, b"after")]
    assert LogLines().feed(b"".join(log)) == texts(log)
    for cut in range(len(b"".join(log))):
        assert resumed(log, cut) == texts(log)


def test_the_nodes_own_words_are_no_lines_of_the_log() -> None:
    reader = LogLines()
    said = b"failed to watch file: too many open files\n"
    assert reader.feed(line(1, b"one") + said + line(2, b"two")) == b"one\ntwo\n"
    assert reader.feed(said) == b""
    assert reader.since == "2026-11-23T08:59:57Z"


def test_a_last_line_without_its_newline_comes_at_the_end() -> None:
    reader = LogLines()
    assert reader.feed(line(1, b"one") + line(2, b"two")[:-1]) == b"one\n"
    assert reader.finish() == b"two\n"
    assert reader.finish() == b""


def test_nothing_yet_is_asked_for_from_the_beginning() -> None:
    reader = LogLines()
    assert reader.since == ""
    reader.feed(line(1, b"half")[:-1])
    assert reader.since == ""
    reader.reconnect()
    assert reader.feed(line(1, b"half")) == b"half\n"


@st.composite
def broken_readings(
    draw: st.DrawFn,
) -> tuple[list[bytes], list[tuple[int, list[int], bool]]]:
    """A log; and each stream's end, its pieces' ends, and whether the server forgets seconds."""
    steps = draw(st.lists(st.sampled_from([0, 1, 1000, SECOND // 3, SECOND, 7 * SECOND])))
    times = [sum(steps[: number + 1]) for number in range(len(steps))]
    long = draw(st.sampled_from([b"", b"y" * 300]))
    log = [line(time, b"%d " % number + long) for number, time in enumerate(times)]
    size = len(b"".join(log))
    streams = draw(
        st.lists(
            st.tuples(
                st.integers(0, size), st.lists(st.integers(0, size), max_size=5), st.booleans()
            ),
            max_size=6,
        )
    )
    return log, streams


@given(broken_readings())
def test_any_pieces_and_any_reconnections_give_each_line_once(
    reading: tuple[list[bytes], list[tuple[int, list[int], bool]]],
) -> None:
    log, streams = reading
    reader, taken = LogLines(), b""
    for end, cuts, forgets in [*streams, (len(b"".join(log)), [], True)]:
        start = reader.since
        reader.reconnect()
        stream = b"".join(since(log, start) if forgets else log)[:end]
        for first, last in pairwise(sorted({0, len(stream), *(min(c, len(stream)) for c in cuts)})):
            taken += reader.feed(stream[first:last])
    start = reader.since
    reader.reconnect()
    taken += reader.feed(b"".join(since(log, start))) + reader.finish()
    assert taken == texts(log)


def test_some_of_a_nanosecond_left_by_a_rotation_are_enough_to_know_the_place() -> None:
    log = [line(SECOND, b"same")] * 4
    reader = LogLines()
    reader.feed(b"".join(log))
    reader.reconnect()
    assert reader.feed(b"".join(log[2:]) + line(SECOND + 1, b"new")) == b"new\n"
