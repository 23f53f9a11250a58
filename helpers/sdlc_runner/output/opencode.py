"""What a verb prints inside an OpenCode session: compact lines for a model, the verdict last."""

from __future__ import annotations

import time
from collections import deque
from typing import IO, TYPE_CHECKING

from sdlc_runner.events.types import FROM_ATTEMPT, EventType
from sdlc_runner.output import render
from sdlc_runner.output.output import Output
from sdlc_runner.output.output_budget import Thinner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sdlc_runner.events.codec import Event
    from sdlc_runner.events.log_reader import LogEntry
    from sdlc_runner.output.live_line import LiveLine

CHATTER = (FROM_ATTEMPT - {EventType.WARNING}) | {EventType.QUEUED, EventType.GAP}
"""What happens on the way; everything else is something to act on."""
_WHOLE = frozenset({EventType.CONTINUE, EventType.SUMMARY, EventType.ERROR})
WHOLE_BYTES = 1_000  # the longest line
_TAIL_BYTES = 8_000  # of a transcript
_LAST_SECONDS = 1.0  # OpenCode can lose what a program prints just before it ends


class SessionOutput(Output):
    """One verb's output; ``follows``: it comes while things happen, ``tail``: its end counts."""

    def __init__(
        self,
        stdout: IO[bytes],
        stderr: IO[str],
        live: LiveLine,
        *,
        follows: bool,
        summary: bool = False,
        excerpts: bool = True,
        tail: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing printed."""
        super().__init__(stdout, stderr, json=False, summary=summary)
        self._live = live
        self._follows = follows
        self._excerpts = excerpts
        self._clock = clock
        self._thinner = Thinner()
        self._tail: deque[str] | None = deque() if tail else None
        self._tail_bytes = 0
        self._left_out = 0

    def write(self, *events: Event) -> None:
        """Write what a model needs of these events."""
        for event in events:
            if self.summary and event.type not in render.SUMMARY_TYPES:
                continue
            if self._tail is not None and event.type in CHATTER:
                self._keep(self._tail, _one_line(event))
            elif self._follows and event.type in CHATTER:
                self._chat(event)
            else:
                self._say(event)

    def pass_on(self, entries: Sequence[LogEntry]) -> int:
        """Write what a model needs of events that were read; return how many were read."""
        if entries and self._live.is_wanted:
            self._live.show(_one_line(entries[-1].event))
        self.write(*(entry.event for entry in entries))
        return len(entries)

    def note(self, text: str) -> None:
        """Say what stderr would tell people: here both are one."""
        self._line("", text, self._thinner.verdict())

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Say each row in a line."""
        for row in rows:
            self._line("", "  ".join(row), self._thinner.verdict())

    def close(self) -> None:
        """Write what was kept for the end, and let it arrive."""
        self._live.close()
        self._tell_left_out()
        for text in self._tail or ():
            self._line("", text, WHOLE_BYTES)
        if self._follows:
            time.sleep(_LAST_SECONDS)

    def _keep(self, tail: deque[str], text: str) -> None:
        tail.append(text)
        self._tail_bytes += len(text.encode()) + 1
        while self._tail_bytes > _TAIL_BYTES:
            self._tail_bytes -= len(tail.popleft().encode()) + 1
            self._left_out += 1

    def _chat(self, event: Event) -> None:
        who, now = _who(event), self._clock()
        room = self._thinner.chatter(who, now)
        if room and self._line(who, _one_line(event), room):
            self._thinner.rest(who, now)

    def _say(self, event: Event) -> None:
        who, room = _who(event), self._thinner.verdict()
        if event.type in _WHOLE:
            room = WHOLE_BYTES
            self._tell_left_out()
        for text in self._excerpt(event, who):
            self._line(who, f"{who} | {text}", WHOLE_BYTES)
        if not self._line(who, _one_line(event), room):
            self._left_out += 1

    def _excerpt(self, event: Event, who: str) -> list[str]:
        """Return the last lines of an excerpt that have room; they come before the verdict."""
        kept: list[str] = []
        if not self._excerpts:
            return kept
        room = self._thinner.excerpt(who)
        for text in reversed(event.fields.get("excerpt", ())):
            room -= len(text.encode()) + len(who) + 4
            if room < 0:
                break
            kept.insert(0, text)
        return kept

    def _tell_left_out(self) -> None:
        if self._left_out:
            self._line("", f"… {self._left_out} lines left out; `--json` has all", WHOLE_BYTES)
            self._left_out = 0

    def _line(self, who: str, text: str, room: int) -> bool:
        """Write a line, cut to its room; False where there is none."""
        if room <= 0:
            return False
        data = " ".join(text.split()).encode("utf-8", "replace")
        if len(data) >= room:
            data = data[: room - 4].decode("utf-8", "ignore").encode() + "…".encode()
        self.stdout.write(data + b"\n")
        self.stdout.flush()
        self._thinner.count(who, len(data) + 1)
        return True


def _who(event: Event) -> str:
    return event.key.task if event.key is not None else ""


def _one_line(event: Event) -> str:
    """Write an event in people's words without its excerpt, which stands before it.

    After a plan comes no `run` either: in a session the implement command's steps take its place.
    """
    left_out = {"excerpt", "next"} if event.fields.get("verb") == "plan" else {"excerpt"}
    fields = {name: value for name, value in event.fields.items() if name not in left_out}
    return " ".join(render.line(event._replace(fields=fields)).split())
