"""The log of one container as it grows: whole lines, each once, through every reconnection.

Each line is requested with the kubelet's timestamp; after a reconnection the lines up to the last
one that was taken are skipped. The end of a stream means nothing; the caller says when the
container has ended, and then a fresh read from the last line gets the rest.

A container's two streams are stamped side by side, and a node's clock can be set back: timestamps
may be out of order. So the place to resume at is the very line that was taken last, and not a point
in time.
"""

from __future__ import annotations

import re
import threading
import time
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.backends.kubernetes.api import Backoff
from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.events.types import LINE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdlc_runner.backends.kubernetes.api import KubeApi, Stream

_ABSENT = frozenset({400, 404, 410})
_REFUSED = frozenset({401, 403})
_MOST_BYTES = 2 << 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0
_QUIET_SECONDS = 0.05
_REFUSED_SECONDS = 20.0
_FINAL_SECONDS = 60.0
_FINAL_SILENCE = 15.0
_ABSENT_TRIES = 3
_LAST_WORDS_SECONDS = 5.0


class PodLog:
    """Reads one container's log in the background; ``changed`` is called when there is more.

    ``silence``: seconds without a byte after which a stream is taken for dead.
    """

    def __init__(
        self, api: KubeApi, pod: str, container: str, silence: float, changed: Callable[[], None]
    ) -> None:
        self.pod = pod
        self.over = False
        self._api = api
        self._path = api.path("pods", pod, "log")
        self._container = container
        self._silence = silence
        self._changed = changed
        self._lines = LogLines()
        self._lock = threading.Condition()
        self._pieces: list[bytes] = []
        self._size = 0
        self._taken: list[bytes] = []
        self._batches = 0
        self._stream: Stream | None = None
        self._arrived = 0.0
        self._refused: tuple[float, ApiError] | None = None
        self._reader = 1
        self._start(self._follow, 1)

    def _start(self, work: Callable[[int], None], number: int) -> None:
        threading.Thread(
            target=work, args=(number,), name=f"log of {self.pod}", daemon=True
        ).start()

    def finish(self) -> None:
        """Read what is left, then be ``over``: the container has ended."""
        self._start(self._finish, self._reader)

    def close(self) -> None:
        """Read no more; the connection is given up at once."""
        with self._lock:
            self._take_over()

    def take(self) -> tuple[bytes, bool]:
        """Return what came since the last call, and whether that was the last of it.

        Raises the ``ApiError`` of a refusal that has lasted for too long.
        """
        if self._refused and time.monotonic() - self._refused[0] > _REFUSED_SECONDS:
            raise self._refused[1]
        with self._lock:
            over = self.over
            self._cut()
            taken, self._taken = b"".join(self._taken), []
        return taken, over

    def _cut(self) -> None:
        """Cut what has come into lines; with the lock held."""
        if self._pieces:
            lines = self._lines.feed(b"".join(self._pieces))
            self._pieces, self._size = [], 0
            if lines:
                self._taken.append(lines)
                self._batches += 1
            self._lock.notify_all()

    def _take_over(self) -> int:
        """Make this the only reader; call it with the lock held."""
        self._reader += 1
        if self._stream is not None:
            self._stream.stop()
        self._lock.notify_all()
        return self._reader

    def _follow(self, number: int) -> None:
        """Keep a stream open until somebody else takes over."""
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while self._reader == number:
            before, at_least = self._arrived, 0.0
            try:
                self._read(self._open({"follow": "true"}, self._silence), number)
            except ApiError as failure:
                at_least = failure.retry_after
                self._note(failure)
            if self._arrived > before:
                backoff.reset()
            self._rest(number, backoff.next(at_least))

    def _note(self, failure: ApiError) -> None:
        if failure.status in _REFUSED:
            self._refused = self._refused or (time.monotonic(), failure)

    def _rest(self, number: int, seconds: float) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self._reader != number, seconds)

    def _finish(self, number: int) -> None:
        """Read to the end: until a whole read brought nothing new, or for as long as it may take.

        A stream that is behind goes on first: what was rotated away, a new one does not get.
        """
        while self._reader == number and self._is_busy():
            time.sleep(_QUIET_SECONDS)
        deadline = time.monotonic() + _FINAL_SECONDS
        backoff, absent = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE), 0
        while self._reader == number and time.monotonic() < deadline and absent < _ABSENT_TRIES:
            try:
                stream = self._open({}, min(self._silence, _FINAL_SILENCE))
                number = self._alone(number)
                if not self._read(stream, number):
                    break
            except ApiError as failure:
                absent += failure.status in _ABSENT
                self._rest(number, backoff.next(failure.retry_after))
        self._end(number)

    def _alone(self, number: int) -> int:
        """Take over from the reader that is still active, if this one is still wanted."""
        with self._lock:
            return self._take_over() if self._reader == number else number

    def _end(self, number: int) -> None:
        """Say that it is over; a stream that only the pod's end will close is waited for."""
        with self._lock:
            gone = lambda: self._stream is None or self._reader != number  # noqa: E731
            self._lock.wait_for(gone, _LAST_WORDS_SECONDS)
            if self._reader != number:
                return
            self._take_over()
            self._cut()
            self._taken.append(self._lines.finish())
            self.over = True
        self._changed()

    def _is_busy(self) -> bool:
        """Whether the open stream still brings something, or waits to be read."""
        recent = time.monotonic() - self._arrived < _QUIET_SECONDS
        return recent or self._size > _MOST_BYTES

    def _open(self, query: dict[str, str], silence: float) -> Stream:
        """Ask for the log, from the last line on."""
        with self._lock:
            self._cut()
            since = self._lines.since
        query = {"container": self._container, "timestamps": "true", **query}
        if since:
            query["sinceTime"] = since
        stream = self._api.stream(self._path, query, silence)
        self._refused = None
        return stream

    def _read(self, stream: Stream, number: int) -> bool:
        """Read a stream to its end; whether it brought new lines."""
        try:
            with self._lock:
                if self._reader != number:
                    return False
                self._cut()
                self._lines.reconnect()
                self._stream, before = stream, self._batches
            for piece in stream:
                if not self._keep(number, piece):
                    break
        finally:
            with self._lock:
                if self._stream is stream:
                    self._stream = None
                    self._cut()
                    self._lock.notify_all()
            stream.close()
        return self._batches > before

    def _keep(self, number: int, piece: bytes) -> bool:
        """Keep a piece for ``take``; whether this reader is still wanted."""
        with self._lock:
            self._lock.wait_for(lambda: self._size <= _MOST_BYTES or self._reader != number)
            if self._reader != number:
                return False
            is_first = not self._pieces
            self._pieces.append(piece)
            self._size += len(piece)
            self._arrived = time.monotonic()
        if is_first:
            self._changed()
        return True


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
