"""What is left of an attempt's limits when several tasks share it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from sdlc_runner.events.types import UsageEvent
from sdlc_runner.worker.agents.base import Usage

if TYPE_CHECKING:
    from sdlc_runner.config.settings import Limits
    from sdlc_runner.events.types import EventBody
    from sdlc_runner.worker.agents.base import Emit

# Zero means "no limit", so a limit that is used up becomes the smallest there is.
_USED_UP = 0.001


class Budget:
    """Adds up the use of one task after the other."""

    def __init__(self, limits: Limits) -> None:
        """Begin to count; the run limit's own clock starts with the first agent."""
        self._limits = limits
        self._began = time.monotonic()
        self._working_since: float | None = None
        self.used = Usage()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return round(time.monotonic() - self._began, 3)

    def left(self) -> Limits:
        """Return the limits for the task that begins now."""
        limits, now = self._limits, time.monotonic()
        if self._working_since is None:
            self._working_since = now
        worked = now - self._working_since
        return replace(
            limits,
            run_seconds=limits.run_seconds and max(limits.run_seconds - worked, _USED_UP),
            tokens=limits.tokens and max(limits.tokens - self.used.tokens, 1),
            cost=limits.cost and max(limits.cost - self.used.cost, _USED_UP),
        )

    def add(self, usage: Usage) -> None:
        """Count what a task used."""
        self.used = self.used.plus(usage)

    def totals(self, emit: Emit) -> Emit:
        """Wrap ``emit`` so that ``usage`` events count from the attempt's start, not the task's."""
        before = self.used

        def add_before(body: EventBody) -> None:
            if isinstance(body, UsageEvent):
                body = before.plus(Usage.of_event(body)).to_event()
            emit(body)

        return add_before
