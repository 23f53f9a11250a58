"""The cluster's clock, by the ``Date`` of its answers: this machine's may be hours off."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime


class ServerClock:
    """Goes on by itself between two answers; may be shared by threads."""

    def __init__(self) -> None:
        self._heard: tuple[float, float] | None = None

    def heard(self, date: str | None) -> None:
        """Take the ``Date`` of an answer that came just now; anything else is ignored."""
        try:
            told = parsedate_to_datetime(date or "").timestamp()
        except (ValueError, OverflowError):
            return
        self._heard = (told, time.monotonic())

    def now(self) -> float | None:
        """Return its time in seconds of the epoch; None before the first answer."""
        if self._heard is None:
            return None
        told, at = self._heard
        return told + time.monotonic() - at
