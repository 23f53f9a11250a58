"""The axis of time: linear where attempts ran, cut short where for long none did."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_CUT_SHARE = 0.25  # of the time in which something ran: a longer pause is cut
_CUT_SECONDS = 60.0
_CUT_WIDTH = 24.0
_CUTS_SHARE = 0.3  # of the width, at most, for all cuts
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_TICKS = 8


class Piece(NamedTuple):
    """A stretch of time without a cut, and where it lies."""

    began: float
    ended: float
    left: float
    right: float


class Axis(NamedTuple):
    """Maps seconds of the epoch to the picture; ``step`` is the time between two ticks."""

    pieces: tuple[Piece, ...]
    step: int

    def x(self, at: float) -> float:
        """Return where a moment lies."""
        found = max(0, bisect_right([piece.began for piece in self.pieces], at) - 1)
        piece = self.pieces[found]
        share = (at - piece.began) / (piece.ended - piece.began)
        return piece.left + (piece.right - piece.left) * min(1.0, max(0.0, share))

    def ticks(self, room: float) -> Iterator[float]:
        """Yield the moments to mark, none nearer than ``room`` to the one before."""
        last = float("-inf")
        for piece in self.pieces:
            at = -(-piece.began // self.step) * self.step
            while at <= piece.ended:
                if self.x(at) - last >= room:
                    last = self.x(at)
                    yield at
                at += self.step

    @property
    def cuts(self) -> tuple[float, ...]:
        """Return the middle of each cut."""
        pairs = zip(self.pieces, self.pieces[1:], strict=False)
        return tuple((one.right + other.left) / 2 for one, other in pairs)


def build(intervals: Iterable[tuple[float, float]], left: float, right: float) -> Axis:
    """Lay out the times in which something ran between ``left`` and ``right``."""
    busy = _merged(sorted(intervals)) or [(0.0, 1.0)]
    total = sum(ended - began for began, ended in busy)
    stretches = _joined(busy, max(_CUT_SECONDS, total * _CUT_SHARE))
    shown = sum(ended - began for began, ended in stretches)
    cuts = len(stretches) - 1
    gap = min(_CUT_WIDTH, _CUTS_SHARE * (right - left) / cuts) if cuts else 0.0
    scale = (right - left - gap * cuts) / shown
    pieces, x = [], left
    for began, ended in stretches:
        width = (ended - began) * scale
        pieces.append(Piece(began, ended, x, x + width))
        x += width + gap
    step = next((step for step in _STEPS if shown / step <= _TICKS), _day_step(shown))
    return Axis(tuple(pieces), step)


def _day_step(shown: float) -> int:
    return int(-(-shown // (_TICKS * _STEPS[-1])) * _STEPS[-1])


def _merged(intervals: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Unite what overlaps; each lasts a moment at least, so that nothing divides by zero."""
    found: list[tuple[float, float]] = []
    for began, ended in intervals:
        ended = max(ended, began + 0.1)  # noqa: PLW2901
        if found and began <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ended))
        else:
            found.append((began, ended))
    return found


def _joined(busy: Sequence[tuple[float, float]], pause: float) -> list[tuple[float, float]]:
    """Unite what is no further apart than ``pause``."""
    found = [busy[0]]
    for began, ended in busy[1:]:
        if began - found[-1][1] <= pause:
            found[-1] = (found[-1][0], ended)
        else:
            found.append((began, ended))
    return found
