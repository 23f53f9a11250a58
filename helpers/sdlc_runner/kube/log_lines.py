"""Cutting a timestamped log into lines, and finding the place again after a reconnection. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from sdlc_runner.wire import LINE_LIMIT

_STAMP_LIMIT = 40
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)\Z")


class _Stamp(NamedTuple):
    """A timestamp of one node, comparable with others of it: seconds as text, nanoseconds."""

    seconds: bytes
    fraction: bytes
    zone: bytes = b"Z"


def _stamp(line: bytes) -> _Stamp:
    """Read the timestamp that a line begins with; a line without one is taken for the oldest."""
    match = _STAMP.match(line.partition(b" ")[0])
    if match is None:
        return _Stamp(b"", b"")
    return _Stamp(match[1], (match[2] or b"").ljust(9, b"0"), match[3])


class LogLines:
    """Takes pieces of a log whose lines begin with a timestamp; returns whole lines without it."""

    def __init__(self) -> None:
        self._rest = b""
        self._last = b""
        self._at_last = 0
        self._passing = 0
        self._until: _Stamp | None = None
        self._in_long_line = False

    def reconnect(self) -> str:
        """Prepare for a new stream; returns where it should begin, empty: at the beginning."""
        self._rest, self._in_long_line = b"", False
        self._passing = self._at_last
        if not self._last:
            return ""
        self._until = last = _stamp(self._last)
        return (last.seconds + last.zone).decode()

    def feed(self, piece: bytes) -> bytes:
        """Return the lines that a piece completes, those taken before left out."""
        if self._in_long_line:
            _, newline, piece = piece.partition(b"\n")
            self._in_long_line = not newline
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > LINE_LIMIT + _STAMP_LIMIT:
            lines.append(self._rest)
            self._rest, self._in_long_line = b"", True
        if self._until is not None:
            lines = self._passed_over(lines)
        if not lines:
            return b""
        self._remember(lines)
        return b"\n".join([line.partition(b" ")[2] for line in lines]) + b"\n"

    def _remember(self, lines: list[bytes]) -> None:
        """Keep the last line's timestamp, and how many lines have it."""
        last = lines[-1].partition(b" ")[0]
        same = 0
        for line in reversed(lines):
            if line.partition(b" ")[0] != last:
                break
            same += 1
        self._at_last = same + (self._at_last if same == len(lines) and last == self._last else 0)
        self._last = last

    def _passed_over(self, lines: list[bytes]) -> list[bytes]:
        """Leave out what was taken before the reconnection."""
        for index, line in enumerate(lines):
            stamp = _stamp(line)
            if self._until is None or stamp > self._until:
                self._until = None
                return lines[index:]
            if stamp == self._until:
                if self._passing == 0:
                    self._until = None
                    return lines[index:]
                self._passing -= 1
        return []
