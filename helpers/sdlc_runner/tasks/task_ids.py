"""Task ids as people write them: ``T001``, ``T014a``, ``T-001``, ``TDD-001``."""

from __future__ import annotations

import re
from typing import NamedTuple

# Digits are bounded: int() refuses very long ones, and no plan has a billion tasks.
PATTERN = r"(?:[Tt]|[A-Za-z]{1,15}-)[0-9]{1,9}[A-Za-z]?(?![A-Za-z0-9_])"
DASH = r"(?:\.{2,3}|[-\u2010-\u2015\u2212\u2026~])"
RANGE_WORD = r"(?:to|through|thru)"

_PARTS = re.compile(r"([A-Za-z]{1,15}-?)([0-9]{1,9})([A-Za-z]?)\Z")


class IdKey(NamedTuple):
    """How ids are compared: by prefix, then number, then suffix, whatever their case."""

    prefix: str
    number: int
    suffix: str


def canonical(word: str) -> str:
    """Return the id with its prefix in upper case and the rest as written."""
    match = _PARTS.match(word)
    return match[1].upper() + match[2] + match[3] if match else word


def key(task_id: str) -> IdKey:
    """Return what the id is compared by; a word that is no id sorts by itself."""
    match = _PARTS.match(task_id)
    if match is None:
        return IdKey(task_id.upper(), 0, "")
    return IdKey(match[1].upper(), int(match[2]), match[3].lower())


def spread(first: str, last: str, limit: int = 100) -> tuple[str, ...]:
    """Name every id from ``first`` to ``last``; only the two where they make no plain range."""
    low, high = key(first), key(last)
    plain = low.prefix == high.prefix and not low.suffix and not high.suffix
    if not plain or not low.number < high.number <= low.number + limit:
        return (first, last)
    width = len(first) - len(low.prefix)
    numbers = range(low.number, high.number + 1)
    return tuple(f"{low.prefix}{number:0{width}d}" for number in numbers)
