"""An attempt's events as its way: spans, times and what each task of a bundle used."""

from __future__ import annotations

from typing import Any

import pytest

from sdlc_runner.events.codec import AttemptKey, Event, seconds
from sdlc_runner.events.types import EventType
from sdlc_runner.report import collect
from sdlc_runner.report.model import UsageReport

KEY = AttemptKey("001-demo", "T001", 1)
NOON = 1_767_268_800.0
LATER = NOON + 10_000


def event(second: int, type_: EventType, **fields: Any) -> Event:  # noqa: ANN401
    return Event(type_, f"2026-01-01T12:00:{second:02}.000Z", fields, KEY)


def phase(second: int, name: str, detail: str = "") -> Event:
    return event(second, EventType.PHASE, phase=name, **({"detail": detail} if detail else {}))


def usage(second: int, tokens: int, cost: float = 0.0) -> Event:
    return event(second, EventType.USAGE, input_tokens=tokens, output_tokens=1, cost=cost)


def test_a_bundles_tasks_have_their_own_spans_and_usage() -> None:
    way = collect.fold(
        [
            phase(0, "cloning"),
            phase(5, "working", "T001"),
            usage(6, 100, 0.5),
            usage(8, 150, 0.75),
            phase(10, "committing", "T001"),
            phase(11, "working", "T002"),
            usage(12, 400, 1.0),
            phase(20, "pushing", "a-branch"),
            event(25, EventType.RESULT, status="succeeded"),
        ],
        ("T001", "T002"),
        LATER,
    )
    assert (way.began, way.ended) == (NOON, NOON + 25)
    assert [(span.phase, span.task, span.ended - span.began) for span in way.spans] == [
        ("cloning", "T001", 5),
        ("working", "T001", 5),
        ("committing", "T001", 1),
        ("working", "T002", 9),
        ("pushing", "T002", 5),
    ]
    assert (way.seconds("T001"), way.seconds("T002"), way.seconds("T003")) == (11, 14, 0)
    assert way.usage == {"T001": UsageReport(150, 1, 0.75), "T002": UsageReport(250, 0, 0.25)}
    assert way.total == UsageReport(400, 1, 1.0)


def test_without_events_nothing_is_known() -> None:
    assert collect.fold([], ("T001",), LATER) == (None, None, (), {})


def test_totals_that_fall_and_rise_again_are_not_counted_twice() -> None:
    way = collect.fold([usage(1, 100), usage(2, 20), usage(3, 110)], ("T001",), LATER)
    assert way.total == UsageReport(110, 1, 0)


def test_no_clock_runs_backwards_or_ahead_of_ours() -> None:
    events = [phase(30, "cloning"), phase(10, "working", "T001"), phase(50, "pushing")]
    way = collect.fold(events, ("T001",), NOON + 40)
    assert [(span.began - NOON, span.ended - NOON) for span in way.spans] == [
        (30, 30),
        (30, 40),
        (40, 40),
    ]


def test_a_task_that_is_not_its_own_gets_nothing() -> None:
    way = collect.fold([phase(0, "working", "T999"), usage(1, 5)], ("T001",), LATER)
    assert way.usage == {"T001": UsageReport(5, 1, 0)}


@pytest.mark.parametrize("text", ["2026-99-99T99:99:99.999Z", "0000-00-00T00:00:00.000Z"])
def test_a_moment_that_is_none_is_passed_over(text: str) -> None:
    assert seconds(text) is None
    strange = Event(EventType.PHASE, text, {"phase": "cloning"}, KEY)
    assert collect.fold([strange, phase(3, "working")], ("T001",), LATER).began == NOON + 3
