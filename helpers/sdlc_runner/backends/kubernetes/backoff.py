"""How long to wait before the same is tried again: longer each time, never in step with others."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that double from ``first`` to ``longest`` seconds, each half to one and a half."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._pause = first

    def reset(self) -> None:
        """Begin anew: it went well."""
        self._pause = self._first

    def next(self, at_least: float = 0) -> float:
        """Return the next pause, no shorter than what the server asked for."""
        pause, self._pause = self._pause, min(self._pause * 2, self._longest)
        return max(at_least, pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
