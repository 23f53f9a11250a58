"""A client-side rate limit: the official client has none, and a shared cluster is not ours."""

from __future__ import annotations

import threading
import time


class Rate:
    """A bucket that fills by ``per_second`` and holds one second's worth; may be shared."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._lock = threading.Lock()
        self._tokens = per_second
        self._filled = time.monotonic()

    def take(self) -> None:
        """Wait until one more request may go out."""
        with self._lock:
            now = time.monotonic()
            more = (now - self._filled) * self._per_second
            self._tokens = min(self._per_second, self._tokens + more) - 1
            self._filled = now
            wait = -self._tokens / self._per_second
        if wait > 0:
            time.sleep(wait)
