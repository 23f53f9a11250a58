"""Cursors: where a consumer stopped, as a text it keeps.

``T001-1:57,T002-1:12!3-5`` says: of attempt 1 of T001 every event up to 57 was seen; of T002 every
event up to 12 but 3 to 5, which were missing and may still come.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME = re.compile(r"[A-Za-z0-9_.-]+-[1-9][0-9]{0,8}\Z")
_PART = re.compile(
    r"(?P<name>[A-Za-z0-9_.-]+-[1-9][0-9]{0,8}):(?P<last>[0-9]{1,16})"
    r"(?P<gaps>(?:![0-9]{1,16}-[0-9]{1,16})*)\Z"
)


@dataclass(frozen=True)
class Position:
    """How far one attempt was read: the last ``seq``, and what is missing before it."""

    last: int = 0
    gaps: tuple[tuple[int, int], ...] = ()


def render(positions: Mapping[str, Position]) -> str:
    """Write a cursor; ``positions`` maps attempts (``T001-1``) to how far they were read."""
    return ",".join(
        f"{name}:{position.last}" + "".join(f"!{first}-{last}" for first, last in position.gaps)
        for name, position in sorted(positions.items())
        if position != Position()
    )


def parse(text: str) -> dict[str, Position]:
    """Read a cursor; raises ``bad_cursor``."""
    positions = {}
    for part in filter(None, text.strip().split(",")):
        match = _PART.match(part.strip())
        position = _read(match) if match else None
        if match is None or position is None:
            raise UsageError(
                Code.BAD_CURSOR,
                f"{part[:80]!r} is not a cursor.",
                "Give what a `continue` event said, such as T001-1:57, or @FILE with events.",
            )
        positions[match["name"]] = position
    return positions


def _read(match: re.Match[str]) -> Position | None:
    """Read one part; None if its gaps are not in order before the last event seen."""
    last = int(match["last"])
    numbers = [int(number) for number in re.findall("[0-9]+", match["gaps"])]
    gaps = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    end = 0
    for first, to in gaps:
        if not end < first <= to < last:
            return None
        end = to
    return Position(last, gaps)


def from_events(lines: Iterable[bytes]) -> dict[str, Position]:
    """Work out the cursor of a consumer that kept every line it was given, in a file of its own."""
    seen: dict[str, set[int]] = {}
    for line in lines:
        try:
            record = json.loads(line)
            task, attempt, seq = record["task"], record["attempt"], record["seq"]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # client-made, or the half line of a consumer that was killed
        name = f"{task}-{attempt}"
        if type(seq) is int and seq > 0 and _NAME.match(name):
            seen.setdefault(name, set()).add(seq)
    return {name: _position(numbers) for name, numbers in seen.items()}


def _position(numbers: set[int]) -> Position:
    gaps, expected = [], 1
    for number in sorted(numbers):
        if number > expected:
            gaps.append((expected, number - 1))
        expected = number + 1
    return Position(expected - 1, tuple(gaps))
