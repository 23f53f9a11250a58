"""Being asked to stop: SIGTERM and SIGINT become one flag.

While nothing can be lost (the clone) the request also breaks off what is going on; later the
worker looks at the flag, and a commit or push that has begun is finished first.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class ShutdownRequested(BaseException):
    """Breaks off work that holds nothing yet."""


class Stop:
    """The flag, and whether it may break in."""

    def __init__(self) -> None:
        """Begin unasked."""
        self.asked = threading.Event()
        self._breaks_in = False

    def listen(self) -> None:
        """Take SIGTERM and SIGINT; only from the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.asked.set()
        if self._breaks_in:
            self._breaks_in = False
            raise ShutdownRequested

    @contextmanager
    def may_break_in(self) -> Iterator[None]:
        """Let a request end the block by ``StopRequested``."""
        self._breaks_in = True
        try:
            if self.asked.is_set():
                raise ShutdownRequested
            yield
        finally:
            self._breaks_in = False
