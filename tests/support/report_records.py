"""Records of runs to report: an attempt with its usual spans, a run of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdlc_runner.report.model import AttemptReport, Mood, RunReport, Span, TaskReport

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = 1_767_225_600.0  # 2026-01-01 00:00:00 UTC
NINE = DAY + 9 * 3600


def attempt(
    task: str = "T001",
    began: float | None = NINE,
    ended: float | None = NINE + 60,
    **more: Any,  # noqa: ANN401
) -> AttemptReport:
    """An attempt whose agent worked from 5 s after its begin to 5 s before its end."""
    spans: tuple[Span, ...] = ()
    if began is not None and ended is not None:
        spans = (
            Span("cloning", task, began, began + 5),
            Span("working", task, began + 5, ended - 5),
            Span("pushing", task, ended - 5, ended),
        )
    named = {"name": f"{task}-1", "tasks": (task,), "outcome": "succeeded", "mood": Mood.GOOD}
    return AttemptReport(**{**named, "began": began, "ended": ended, "spans": spans, **more})


def run(
    attempts: Sequence[AttemptReport] = (),
    tasks: Sequence[TaskReport] = (),
    now: float = NINE + 3600,
) -> RunReport:
    return RunReport("001-demo", "001-demo", now, tuple(tasks), tuple(attempts))
