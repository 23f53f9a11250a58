"""Waiting for what a cluster will do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_for(
    predicate: Callable[[], T], seconds: float = 60, what: str = "it", every: float = 0.1
) -> T:
    """Return the first true value; what a refused connection raises counts as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        error: Exception | None = None
        try:
            if found := predicate():
                return found
        except (OSError, AssertionError) as raised:
            error = raised
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen in {seconds:g} s") from error
        time.sleep(every)
