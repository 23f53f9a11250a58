"""Signs of life: how long the agent has been silent, and the heartbeats that say so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sdlc_runner.events.codec import now
from sdlc_runner.events.types import HeartbeatEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdlc_runner.events.types import EventBody

    Emit = Callable[[EventBody], None]


class Heartbeat:
    """Emits a ``heartbeat`` for every ``seconds`` of silence; 0 for none."""

    def __init__(self, seconds: float, emit: Emit) -> None:
        self._seconds = seconds
        self._emit = emit
        self.heard()

    def heard(self) -> None:
        """Note a sign of life."""
        self._since = now()
        self._last = time.monotonic()
        self._next = self._last + self._seconds

    @property
    def idle(self) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - self._last

    def beat(self, last_tool: str = "") -> None:
        """Emit a heartbeat if one is due."""
        if not self._seconds or time.monotonic() < self._next:
            return
        self._next += self._seconds
        idle = round(self.idle, 1)
        self._emit(HeartbeatEvent(since=self._since, idle=idle, last_tool=last_tool or None))
