"""Where events go: lines for machines, words for people, and nobody is needed to listen."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.events.codec import AttemptKey, client_event
from sdlc_runner.events.log_reader import LogEntry
from sdlc_runner.events.types import LogEvent, PhaseEvent, PhaseName, TickedEvent, WarningEvent
from sdlc_runner.output.output import Output

if TYPE_CHECKING:
    from pathlib import Path

KEY = AttemptKey("001-demo", "T001", 1)


def output(**options: bool) -> tuple[Output, io.BytesIO, io.StringIO]:
    out, err = io.BytesIO(), io.StringIO()
    return Output(out, err, **options), out, err


def entry(text: str) -> LogEntry:
    return LogEntry.of(client_event(LogEvent(text=text), KEY))


def test_machines_get_lines_and_people_only_what_is_wrong() -> None:
    made, out, err = output()
    made.emit(TickedEvent(line=3, commit="c"), KEY)
    made.emit(WarningEvent(code="x", message="Beware."), KEY)
    assert [json.loads(line)["type"] for line in out.getvalue().splitlines()] == [
        "ticked",
        "warning",
    ]
    assert err.getvalue() == "T001  warning: Beware. [x]\n"


def test_on_a_terminal_there_are_words_alone() -> None:
    made, out, err = output(json=False)
    made.emit(TickedEvent(line=3, commit="c"), KEY)
    assert out.getvalue() == b"T001  ticked (tasks.md, line 3)\n"
    assert err.getvalue() == ""


def test_people_may_look_on_while_machines_read() -> None:
    made, out, err = output(live=True)
    made.emit(TickedEvent(line=3, commit="c"), KEY)
    assert json.loads(out.getvalue())["type"] == "ticked"
    assert err.getvalue() == "T001  ticked (tasks.md, line 3)\n"


def test_the_summary_counts_only_what_it_shows() -> None:
    events = [entry("a"), entry("b")]
    phase = client_event(PhaseEvent(phase=PhaseName.WORKING), KEY)
    events.append(LogEntry.of(phase))
    brief, out, _ = output(summary=True)
    assert brief.pass_on(events) == 1
    assert len(out.getvalue().splitlines()) == 1
    full, out, _ = output()
    assert full.pass_on(events) == 3
    assert out.getvalue().splitlines() == [item.line for item in events]


def test_nothing_to_pass_on_writes_nothing() -> None:
    made, out, _ = output(summary=True)
    assert made.pass_on([]) == made.pass_on([entry("a")]) == 0
    assert out.getvalue() == b""


def test_a_table_is_for_people() -> None:
    rows = [("T001", "ended", "a"), ("TDD-002", "no", "longer")]
    made, out, _ = output(json=False)
    made.table(rows)
    assert out.getvalue() == b"\nT001     ended  a\nTDD-002  no     longer\n\n"
    for options in ({"json": True}, {"json": True, "live": True}):
        made, out, err = output(**options)
        made.table(rows)
        assert out.getvalue() == b""
        assert bool(err.getvalue()) is bool(options.get("live"))
    made, out, _ = output(json=False)
    made.table([])
    assert out.getvalue() == b""


def test_no_one_at_the_terminal_harms_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8", buffering=1) as gone:
        made = Output(io.BytesIO(), gone)
        made.note("hello")
        made.emit(WarningEvent(code="x", message="Beware."))
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)


@pytest.mark.parametrize(
    ("kept", "then"), [(b"", b""), (b"{}\n", b"{}\n"), (b'{"a', b'{"a\n'), (b"{}\n{", b"{}\n{\n")]
)
def test_a_half_line_is_ended_where_we_append_to_it(
    tmp_path: Path, kept: bytes, then: bytes
) -> None:
    path = tmp_path / "kept"
    path.write_bytes(kept)
    with path.open("ab") as stdout:
        Output(stdout, io.StringIO()).continue_file(path)
    assert path.read_bytes() == then


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path, other = tmp_path / "kept", tmp_path / "other"
    path.write_bytes(b"half")
    with other.open("ab") as stdout:
        Output(stdout, io.StringIO()).continue_file(path)
    Output(io.BytesIO(), io.StringIO()).continue_file(path)
    assert (path.read_bytes(), other.read_bytes()) == (b"half", b"")
