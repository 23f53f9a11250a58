"""The log of one container as it grows: whole lines, each once, through every reconnection.

Each line is asked for with the kubelet's timestamp; after a reconnection the lines up to the last
one that was taken are passed over. The end of a stream means nothing; who follows says when the
container has ended, and then a fresh read from the last line gets the rest.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from sdlc_runner.backends.kubernetes.backoff import Backoff
from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.backends.kubernetes.log_resume import LogLines

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdlc_runner.backends.kubernetes.api import KubeApi
    from sdlc_runner.backends.kubernetes.stream import Stream

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
        """Have nobody else read any more; with the lock held."""
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
        """Take over from whoever still reads, if this reader is still wanted."""
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
        """Keep a piece for whoever takes it; whether this reader is still wanted."""
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
