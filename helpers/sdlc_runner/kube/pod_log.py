"""The log of one container as it grows: whole lines, each once, through every reconnection.

Each line is asked for with the kubelet's timestamp; after a reconnection the lines up to the last
one that was taken are passed over. The end of a stream means nothing; who follows says when the
container has ended, and then a fresh read from the last line gets the rest.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from sdlc_runner.kube.failure import ApiError
from sdlc_runner.kube.log_lines import LogLines

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdlc_runner.kube.api import KubeApi

_GONE = frozenset({404, 410})
_NOT_YET = 400
_MOST_BYTES = 8 << 20
_LONGEST_PAUSE = 3.0
_FINAL_TRIES = 40


class PodLog:
    """Reads one container's log in the background; ``changed`` is called when there is more."""

    def __init__(
        self, api: KubeApi, pod: str, container: str, silence: float, changed: Callable[[], None]
    ) -> None:
        self._api = api
        self._path = api.path("pods", pod, "log")
        self._container = container
        self._silence = silence
        self._changed = changed
        self._lines = LogLines()
        self._room = threading.Condition()
        self._taken: list[bytes] = []
        self._size = 0
        self._reader = 0
        self.over = False
        self._begin(final=False)

    def _begin(self, *, final: bool) -> None:
        """Let a new reader take over; an older one finds that it is not wanted any more."""
        self._reader += 1
        number = self._reader
        threading.Thread(
            target=self._run, args=(number, final), name=f"log {self._path}", daemon=True
        ).start()

    def finish(self) -> None:
        """Read what is left, then be ``over``: the container has ended."""
        with self._room:
            self._begin(final=True)
            self._room.notify_all()

    def close(self) -> None:
        """Read no more."""
        with self._room:
            self._reader = -1
            self._room.notify_all()

    def take(self) -> tuple[bytes, bool]:
        """Return what came since the last call, and whether that was the last of it."""
        with self._room:
            over = self.over
            taken, self._taken, self._size = b"".join(self._taken), [], 0
            self._room.notify_all()
        return taken, over

    def _run(self, number: int, final: bool) -> None:  # noqa: FBT001 - a thread's argument
        pause, tries = 0.1, 0
        while self._reader == number:
            try:
                self._read(number, follow=not final)
                pause = 0.1
                if final:
                    break
            except ApiError as failure:
                tries += 1
                if failure.status in _GONE or (final and tries >= _FINAL_TRIES):
                    break
                pause = min(pause * 2, _LONGEST_PAUSE)
            threading.Event().wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        with self._room:
            if self._reader == number and final:
                self.over = True
        self._changed()

    def _read(self, number: int, *, follow: bool) -> None:
        query = {"container": self._container, "timestamps": "true"}
        if follow:
            query["follow"] = "true"
        since = self._lines.reconnect()
        if since:
            query["sinceTime"] = since
        pieces, response = self._api.stream(self._path, query, self._silence)
        try:
            for piece in pieces:
                if not self._keep(number, piece):
                    return
        finally:
            response.close()

    def _keep(self, number: int, piece: bytes) -> bool:
        """Keep the lines that a piece completes; whether this reader is still wanted."""
        with self._room:
            while self._size > _MOST_BYTES and self._reader == number:
                self._room.wait(1)
            if self._reader != number:
                return False
            lines = self._lines.feed(piece)
            if lines:
                self._taken.append(lines)
                self._size += len(lines)
        if lines:
            self._changed()
        return True
