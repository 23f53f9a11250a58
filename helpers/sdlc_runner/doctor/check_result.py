"""The checks that ``doctor`` runs.

A check returns what it found; one that fails raises the ``RunnerError`` that the user would get.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class CheckResult(NamedTuple):
    """What a check found; with a ``hint`` it works, but not as well as it could."""

    message: str
    hint: str = ""


Link = tuple[str, Callable[[], "CheckResult | str"]]
