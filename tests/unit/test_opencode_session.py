"""What a model reads is bounded, whatever happens, and the verdict is always in it."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from sdlc_runner.events.codec import AttemptKey, Event, client_event
from sdlc_runner.events.log_reader import LogEntry
from sdlc_runner.events.types import (
    ErrorEvent,
    LogEvent,
    Outcome,
    OutcomeEvent,
    PhaseEvent,
    PhaseName,
    SummaryEvent,
)
from sdlc_runner.output.opencode_session import (
    ATTEMPT_BYTES,
    LINE_BYTES,
    LIVE_LINE_VARIABLE,
    TOTAL_BYTES,
    TOTAL_LINES,
    LiveLine,
    OpenCodeOutput,
)

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(max_size=300)
PROGRESS = st.builds(
    lambda task, detail: client_event(
        PhaseEvent(phase=PhaseName.WORKING, detail=detail), AttemptKey("001-demo", task, 1)
    ),
    st.sampled_from(["T001", "T002", "T003"]),
    TEXT,
)


def ended(task: str, excerpt: list[str]) -> Event:
    return client_event(
        OutcomeEvent(
            outcome=Outcome.FAILED,
            code="agent_failed",
            message="The agent failed.",
            hint="Look at it.",
            excerpt=excerpt,
        ),
        AttemptKey("001-demo", task, 1),
    )


class Session:
    """An output with a clock of its own, and what came out of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stdout = io.BytesIO()
        self.output = OpenCodeOutput(
            self.stdout, io.StringIO(), LiveLine({}), follows=True, clock=lambda: self.now
        )

    @property
    def lines(self) -> list[str]:
        return self.stdout.getvalue().decode().splitlines()


@given(st.lists(st.tuples(PROGRESS, st.floats(0, 300)), max_size=60), st.lists(TEXT, max_size=8))
def test_an_attempt_gets_its_share_and_its_verdict(
    events: list[tuple[Event, float]], excerpt: list[str]
) -> None:
    session = Session()
    for event, pause in events:
        session.now += pause
        session.output.write(event)
    session.output.write(ended("T001", excerpt))
    own = [line for line in session.lines if line.startswith("T001")]
    assert sum(len(line.encode()) + 1 for line in own) <= ATTEMPT_BYTES + 100
    assert (
        own[-1]
        == session.lines[-1]
        == "T001 failed: The agent failed. [agent_failed] → Look at it."
    )


def test_at_most_one_line_a_second_and_rarer_as_time_goes() -> None:
    session, shown = Session(), []
    for tick in range(36_000):  # an hour, ten events a second
        session.now = tick / 10
        before = len(session.lines)
        session.output.write(phase("T001", f"step {tick}"))
        if len(session.lines) > before:
            shown.append(session.now)
    pauses = [later - former for former, later in pairwise(shown)]
    assert shown[0] == 0
    assert min(pauses) >= 1
    assert pauses == sorted(pauses)
    assert 8 <= len(shown) <= 60


def phase(task: str, detail: str) -> Event:
    key = AttemptKey("001-demo", task, 1)
    return client_event(PhaseEvent(phase=PhaseName.WORKING, detail=detail), key)


@settings(max_examples=10)
@given(st.integers(1, 1500), st.integers(0, 8))
def test_however_many_attempts_there_are_it_fits_and_the_last_line_is_there(
    count: int, excerpt: int
) -> None:
    session = Session()
    for number in range(count):
        session.now += 1
        session.output.write(phase(f"T{number:04}", "x" * 200))
        session.output.write(ended(f"T{number:04}", ["y" * 160] * excerpt))
    session.output.emit(SummaryEvent(verb="watch", verdict="All of it.", ok=True, exit=0))
    assert session.lines[-1] == "All of it."
    assert len(session.stdout.getvalue()) <= TOTAL_BYTES + 2 * LINE_BYTES == 40_000
    assert len(session.lines) <= TOTAL_LINES + 2
    if count > TOTAL_LINES:
        assert "left out" in session.lines[-2]
    else:
        assert {line.split()[0] for line in session.lines[:-2]} >= {"T0000"}


def test_of_a_flood_of_log_little_is_printed() -> None:
    session = Session()
    key = AttemptKey("001-demo", "T001", 1)
    events = [client_event(LogEvent(text=f"noise {at}"), key) for at in range(1000)]
    assert session.output.pass_on([LogEntry.of(event) for event in events]) == 1000
    assert session.lines == ["T001 | noise 0"]


def test_every_attempt_shows_at_once_that_it_runs() -> None:
    session = Session()
    session.output.write(*(phase(task, "a") for task in ("T001", "T002", "T001", "T003")))
    assert [line.split()[0] for line in session.lines] == ["T001", "T002", "T003"]


def test_a_text_of_many_lines_is_one_line() -> None:
    session = Session()
    session.output.emit(ErrorEvent(code="bad", message="One.\nTwo.", hint="Do."))
    session.output.note("three\nfour")
    assert session.lines == ["error: One. Two. [bad] → Do.", "three four"]


def test_the_newest_line_is_there_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "live" / "call_1"
    live = LiveLine({LIVE_LINE_VARIABLE: str(path)})
    assert not path.parent.exists()
    for text in ("one", "two", "\ud800" + "x" * 1000):
        live.show(text)
    assert path.read_text() == "?" + "x" * 199
    live.close()
    live.close()
    assert not path.parent.exists()


def test_without_a_plugin_nothing_is_written(tmp_path: Path) -> None:
    for environ in (
        {},
        {LIVE_LINE_VARIABLE: ""},
        {LIVE_LINE_VARIABLE: str(tmp_path / "no/where/at-all")},
    ):
        live = LiveLine(environ)
        live.show("one")
        live.close()
    assert not list(tmp_path.iterdir())
