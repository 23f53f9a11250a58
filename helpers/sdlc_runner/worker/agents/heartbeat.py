"""Signs of life: how long the agent has been silent, and the heartbeats that say so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sdlc_runner.events.codec import EventType, now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Emit = Callable[[EventType, Mapping[str, Any]], None]


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
        fields: dict[str, Any] = {"since": self._since, "idle": round(self.idle, 1)}
        if last_tool:
            fields["last_tool"] = last_tool
        self._emit(EventType.HEARTBEAT, fields)
