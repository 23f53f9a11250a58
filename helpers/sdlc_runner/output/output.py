"""Where events go: JSON lines on stdout, or text for people when stdout is a terminal."""

from __future__ import annotations

import contextlib
import os
from typing import IO, TYPE_CHECKING

from sdlc_runner.events.codec import AttemptKey, Event, client_event
from sdlc_runner.events.types import EventBody, EventType
from sdlc_runner.output import render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sdlc_runner.events.log_reader import LogEntry

_ALWAYS_ON_STDERR = frozenset({EventType.ERROR, EventType.WARNING})


def in_opencode_session(environ: Mapping[str, str]) -> bool:
    """Whether OpenCode's shell tool called the runner."""
    return environ.get("OPENCODE") == "1"


class Output:
    """One command's output; ``summary`` leaves out logs, messages, usage and heartbeats."""

    def __init__(
        self,
        stdout: IO[bytes],
        stderr: IO[str],
        *,
        json: bool = True,
        colour: bool = False,
        live: bool = False,
        summary: bool = False,
    ) -> None:
        """``live``: people watch stderr while stdout is JSON."""
        self.stdout = stdout
        self.stderr = stderr
        self.json = json
        self.colour = colour
        self.live = live
        self.summary = summary

    def write(self, *events: Event) -> None:
        """Write events in one piece."""
        if self.summary:
            events = tuple(event for event in events if event.type in render.SUMMARY_TYPES)
        if events:
            self._write([event.to_line().encode() for event in events] if self.json else [])
            self._show([event for event in events if self._is_for_people(event.type)])

    def emit(self, body: EventBody, key: AttemptKey | None = None) -> None:
        """Make a client event and write it."""
        self.write(client_event(body, key))

    def pass_on(self, entries: Sequence[LogEntry]) -> int:
        """Write events that were read from a log, each as its line; return how many."""
        if self.summary:
            entries = [entry for entry in entries if entry.event.type in render.SUMMARY_TYPES]
        if entries:
            self._write([entry.line for entry in entries] if self.json else [])
            self._show([e.event for e in entries if self._is_for_people(e.event.type)])
        return len(entries)

    def _is_for_people(self, type_: EventType) -> bool:
        return not self.json or self.live or type_ in _ALWAYS_ON_STDERR

    def _write(self, lines: Sequence[bytes]) -> None:
        """Write lines for machines."""
        if lines:
            self.stdout.write(b"\n".join(lines) + b"\n")
            self.stdout.flush()

    def _show(self, events: Sequence[Event]) -> None:
        """Show events to people: on stdout, or on stderr when stdout is JSON."""
        if self.json:
            for event in events:
                self.note(render.line(event, colour=self.colour))
            return
        text = "".join(render.line(event, colour=self.colour) + "\n" for event in events)
        self.stdout.write(text.encode("utf-8", "replace"))
        self.stdout.flush()

    def note(self, text: str) -> None:
        """Write a line for people to stderr; a closed terminal is ignored."""
        with contextlib.suppress(OSError, ValueError):
            self.stderr.write(text + "\n")
            self.stderr.flush()

    def close(self) -> None:
        """Write what was kept for the end, if anything was."""

    def continue_file(self, path: Path) -> None:
        """End a half-written line where stdout appends to the file of a killed consumer."""
        with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
            if not os.path.samestat(os.fstat(file.fileno()), os.fstat(self.stdout.fileno())):
                return
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                self.stdout.write(b"\n")

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Show a table to people; machines have the events."""
        if not rows or (self.json and not self.live):
            return
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        text = "\n".join(
            "  ".join(
                [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]
            )
            for row in rows
        )
        if self.json:
            self.note(f"\n{text}\n")
        else:
            self.stdout.write(f"\n{text}\n\n".encode("utf-8", "replace"))
