"""Cutting a timestamped log into lines, and finding the place again after a reconnection. Pure.

A container's two streams are stamped side by side, and a node's clock can be set back: stamps may
be out of order. So the place is the very line that was taken last, and not a point in time.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import lru_cache
from typing import NamedTuple

from sdlc_runner.events.types import LINE_LIMIT

_STAMP_LIMIT = 40
_HELD_BYTES = 4 << 20
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ")


class _Stamp(NamedTuple):
    """When a line was written: seconds of the epoch, and the digits behind them."""

    seconds: int
    fraction: bytes


def _stamp(line: bytes) -> _Stamp | None:
    """Read the timestamp that a line begins with; None where there is none."""
    match = _STAMP.match(line)
    if match is None:
        return None
    seconds = _seconds(match[1] + match[3].replace(b"Z", b"+00:00"))
    return None if seconds is None else _Stamp(seconds, (match[2] or b"").ljust(9, b"0"))


@lru_cache(maxsize=64)
def _seconds(text: bytes) -> int | None:
    try:
        return int(datetime.fromisoformat(text.decode()).timestamp())
    except (ValueError, OverflowError):
        return None


class LogLines:
    """Takes pieces of a log whose lines begin with a timestamp; returns whole lines without it.

    What has no timestamp is the node's own word about the log, not a line of it: it is left out.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._in_long_line = False
        self._last = b""
        self._at_last = 0
        self._newest = b""
        self._search: _Search | None = None

    @property
    def since(self) -> str:
        """Where a new stream should begin, in whole seconds; empty: at the beginning."""
        last = _stamp(self._last)
        if last is None:
            return ""
        return f"{datetime.fromtimestamp(last.seconds, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"

    def reconnect(self) -> None:
        """Take what is fed from now on as a new stream, of which the first lines are known."""
        self._rest, self._in_long_line = b"", False
        last, newest = _stamp(self._last), _stamp(self._newest)
        if last is not None and newest is not None:
            self._search = _Search(last, self._at_last, max(last, newest).seconds)

    def feed(self, piece: bytes) -> bytes:
        """Return the lines that a piece completes, those taken before left out."""
        if self._in_long_line:
            _, newline, piece = piece.partition(b"\n")
            self._in_long_line = not newline
        piece = self._rest + piece
        end = piece.rfind(b"\n") + 1
        whole, self._rest = piece[:end], piece[end:]
        if len(self._rest) > LINE_LIMIT + _STAMP_LIMIT:
            whole += self._rest + b"\n"
            self._rest, self._in_long_line = b"", True
        return self._take(whole) if whole else b""

    def finish(self) -> bytes:
        """Return what is left when the log has ended: a last line without its newline."""
        rest, self._rest = self._rest, b""
        taken = self._take(rest + b"\n") if rest else b""
        search, self._search = self._search, None
        return self._keep(search.held) if search and search.held else taken

    def _take(self, whole: bytes) -> bytes:
        if self._search is not None:
            found = self._search.feed(whole)
            if found is None:
                return b""
            self._search, whole = None, found
        return self._keep(whole) if whole else b""

    def _keep(self, whole: bytes) -> bytes:
        """Take the timestamps away from new lines; remember the last of them."""
        lines = whole[:-1].split(b"\n")
        least, most = min(lines), max(lines)
        # What stands between two lines of one year, in the order of bytes, is of that year too.
        if not (_STAMP.match(least) and _STAMP.match(most) and least[:5] == most[:5]):
            lines = [line for line in lines if _STAMP.match(line)]
        if not lines:
            return b""
        self._remember(lines)
        return b"\n".join([line.partition(b" ")[2] for line in lines]) + b"\n"

    def _remember(self, lines: list[bytes]) -> None:
        """Keep the last line's timestamp, how many lines in a row have it, and the newest."""
        last = _head(lines[-1])
        same = 0
        for line in reversed(lines):
            if not line.startswith(last):
                break
            same += 1
        self._at_last = same + (self._at_last if same == len(lines) and last == self._last else 0)
        self._last = last
        self._newest = max(self._newest, _head(max(lines)))


class _Search:
    """Looks for the line that was taken last in a stream that begins a second before it or so.

    A later line may still stand before that one. If none of its second or an earlier one does, it
    was rotated away, and all that comes is new. Until that is sure, lines are ``held``.
    """

    def __init__(self, last: _Stamp, count: int, newest: int) -> None:
        self._last = last
        self._count = self._left = count
        self._newest = newest
        self._held: list[bytes] = []
        self._size = 0

    @property
    def held(self) -> bytes:
        """Lines that are new, unless the one that was taken last comes after them."""
        return b"".join(self._held)

    def feed(self, whole: bytes) -> bytes | None:
        """Take whole lines; return what is new, None while that is not known."""
        start = 0
        while start < len(whole):
            end = whole.index(b"\n", start) + 1
            stamp = _stamp(whole[start : start + _STAMP_LIMIT])
            if stamp == self._last:
                self._left -= 1
                self._held.clear()
                if self._left == 0:
                    return whole[end:]
            elif stamp is not None and stamp > self._last:
                if self._is_beyond(stamp):
                    return self.held + whole[start:]
                self._held.append(whole[start:end])
                self._size += end - start
            start = end
        return None

    def _is_beyond(self, stamp: _Stamp) -> bool:
        """Whether the line taken last cannot come after one that was written then."""
        found_some = self._left < self._count
        return found_some or stamp.seconds > self._newest or self._size > _HELD_BYTES


def _head(line: bytes) -> bytes:
    return line[: line.find(b" ", 0, _STAMP_LIMIT) + 1]
