"""What an attempt's own events tell of it: when it did what, for which task, at what cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.events.codec import seconds
from sdlc_runner.events.types import EventType, PhaseName
from sdlc_runner.report.model import Span, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sdlc_runner.events.codec import Event

_SPAN_LIMIT = 200  # a bundle has a handful for each task


class Track(NamedTuple):
    """One attempt's way; ``usage`` is by task."""

    began: float | None
    ended: float | None
    spans: tuple[Span, ...]
    usage: Mapping[str, Usage]

    @property
    def total(self) -> Usage:
        """Tokens and cost of all its tasks."""
        total = Usage()
        for used in self.usage.values():
            total = total.plus(used)
        return total

    def seconds(self, task: str) -> float:
        """How long it was at one of its tasks; what came before the first counts for that one."""
        return sum(span.ended - span.began for span in self.spans if span.task == task)


def fold(events: Iterable[Event], tasks: Sequence[str], now: float) -> Track:
    """Follow an attempt at ``tasks`` through its events, in order; no clock is past ``now``."""
    current, latest, told = tasks[0], None, Usage()
    began: float | None = None
    turns: list[tuple[str, str, float]] = []
    usage: dict[str, Usage] = {}
    for event in events:
        at = seconds(event.time)
        if at is None:
            continue
        at = min(at, now)
        began = at if began is None else began
        latest = at if latest is None else max(latest, at)  # clocks may be set back
        if event.type is EventType.PHASE:
            phase, task = event.fields["phase"], event.fields.get("detail")
            if phase == PhaseName.WORKING.value and task in tasks:
                current = str(task)
            turns.append((phase, current, latest))
        elif event.type is EventType.USAGE:
            used = Usage.of(event.fields)
            usage[current] = usage.get(current, Usage()).plus(used.beyond(told))
            told = told.plus(used.beyond(told))
    return Track(began, latest, tuple(_spans(turns[:_SPAN_LIMIT], latest)), usage)


def _spans(turns: Sequence[tuple[str, str, float]], ended: float | None) -> Iterable[Span]:
    ends = [began for _, _, began in turns[1:]]
    for (phase, task, began), end in zip(turns, [*ends, ended or 0.0], strict=False):
        yield Span(phase, task, began, max(began, end))
