"""What a command prints inside an OpenCode session: compact lines for a model, the verdict last.

OpenCode keeps the end of what a tool prints and gives all of it to the model, which pays for each
line. So an attempt's progress gets a small budget (``OutputBudget``), its verdict is always
printed, and a person sees the newest line in OpenCode's own window (``LiveLine``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import Counter, defaultdict, deque
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sdlc_runner import files
from sdlc_runner.events.types import FROM_ATTEMPT, EventType
from sdlc_runner.output import render
from sdlc_runner.output.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sdlc_runner.events.codec import Event
    from sdlc_runner.events.log_reader import LogEntry

TOTAL_BYTES = 38_000  # OpenCode loses the last lines of more than 50 kB
TOTAL_LINES = 400
ATTEMPT_BYTES = 1_400  # printed by `spawn`, again in the subagent's answer, less in `watch`
LINE_BYTES = 1_000  # the longest line
PROGRESS = (FROM_ATTEMPT - {EventType.WARNING}) | {EventType.QUEUED, EventType.GAP}
"""The types that are only progress; every other type needs the reader's attention."""
LIVE_LINE_VARIABLE = "SDLC_LIVE_LINE"

_WHOLE = frozenset({EventType.CONTINUE, EventType.SUMMARY, EventType.ERROR})
_PROGRESS_BYTES = 500  # of an attempt's bytes, for progress before its verdict
_VERDICT_BYTES, _SHORTEST = 400, 60
_PAUSE_SECONDS = 1.0  # between two lines of progress
_DOUBLING_BYTES = 100  # after this much progress of one attempt, its pause is twice as long
_PROGRESS_SHARE, _VERDICT_SHARE = 20, 10  # a line gets this fraction of what is left in all
_TAIL_BYTES = 8_000  # of a transcript
_LAST_SECONDS = 1.0  # OpenCode can lose what a program prints just before it ends
_LIVE_LENGTH = 200
_CHECK_SECONDS = 2.0


def exit_with_opencode(environ: Mapping[str, str]) -> None:
    """End this process, as by a signal, once OpenCode is gone: it sends none when it dies.

    For commands that only follow: the attempts go on.
    """
    text = environ.get("OPENCODE_PID", "")
    if text.isdigit():
        threading.Thread(target=_wait_for_end, args=(int(text),), daemon=True).start()


def _wait_for_end(pid: int) -> None:
    while _is_alive(pid):
        time.sleep(_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


class LiveLine:
    """The newest line in a file that OpenCode's plugin shows to people; no model reads it.

    Without the plugin there is no file. A failed write is ignored.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the file's path from the environment."""
        name = environ.get(LIVE_LINE_VARIABLE)
        self._path = Path(name) if name else None

    @property
    def is_wanted(self) -> bool:
        """Whether the plugin asked for the line."""
        return self._path is not None

    def show(self, text: str) -> None:
        """Replace the line."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
            files.write(self._path, text[:_LIVE_LENGTH].encode("utf-8", "replace"))

    def close(self) -> None:
        """Remove the file."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
                self._path.parent.rmdir()


class OutputBudget:
    """Counts what was printed and returns how many bytes the next line may have; 0: none."""

    def __init__(self) -> None:
        self._bytes = 0
        self._lines = 0
        self._bytes_of: Counter[str] = Counter()
        self._not_before: defaultdict[str, float] = defaultdict(float)

    def progress(self, task: str, now: float) -> int:
        """Return the room for a line of progress: the more were printed, the rarer they get.

        The first line of an attempt has no pause before it: it shows that this one runs too.
        """
        pause_ends = max(self._not_before[""], self._not_before[task])
        if self._is_full or (self._bytes_of[task] and now < pause_ends):
            return 0
        share = min(_PROGRESS_BYTES, (TOTAL_BYTES - self._bytes) // _PROGRESS_SHARE)
        return max(0, share - self._bytes_of[task])

    def excerpt(self, task: str) -> int:
        """Return the room for a failed attempt's last log lines, which precede its verdict."""
        share = (TOTAL_BYTES - self._bytes) // _VERDICT_SHARE
        share = min(ATTEMPT_BYTES - _VERDICT_BYTES, share)
        return 0 if self._is_full else max(0, share - self._bytes_of[task])

    def verdict(self) -> int:
        """Return the room for a line that matters."""
        share = max(_SHORTEST, (TOTAL_BYTES - self._bytes) // _VERDICT_SHARE)
        return 0 if self._is_full else min(_VERDICT_BYTES, share)

    def count(self, task: str, size: int) -> None:
        """Count a line that was printed."""
        self._bytes += size
        self._lines += 1
        self._bytes_of[task] += size

    def pause(self, task: str, now: float) -> None:
        """Start the pause after a line of progress."""
        self._not_before[""] = now + _PAUSE_SECONDS
        growth = 2 ** (self._bytes_of[task] / _DOUBLING_BYTES)
        self._not_before[task] = now + _PAUSE_SECONDS * growth

    @property
    def _is_full(self) -> bool:
        return self._bytes >= TOTAL_BYTES - _SHORTEST or self._lines >= TOTAL_LINES - 1


class OpenCodeOutput(Output):
    """One command's output for a model.

    ``follows``: lines come while attempts run. ``tail``: only the last lines matter.
    """

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
        super().__init__(stdout, stderr, json=False, summary=summary)
        self._live = live
        self._follows = follows
        self._excerpts = excerpts
        self._clock = clock
        self._budget = OutputBudget()
        self._tail: deque[str] | None = deque() if tail else None
        self._tail_bytes = 0
        self._left_out = 0

    def write(self, *events: Event) -> None:
        """Write what a model needs of these events."""
        for event in events:
            if self.summary and event.type not in render.SUMMARY_TYPES:
                continue
            if self._tail is not None and event.type in PROGRESS:
                self._keep(self._tail, _one_line(event))
            elif self._follows and event.type in PROGRESS:
                self._write_progress(event)
            else:
                self._write_verdict(event)

    def pass_on(self, entries: Sequence[LogEntry]) -> int:
        """Write what a model needs of events that were read; return how many were read."""
        if entries and self._live.is_wanted:
            self._live.show(_one_line(entries[-1].event))
        self.write(*(entry.event for entry in entries))
        return len(entries)

    def note(self, text: str) -> None:
        """Write what stderr would show to people: here both are one."""
        self._line("", text, self._budget.verdict())

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Write each row as a line."""
        for row in rows:
            self._line("", "  ".join(row), self._budget.verdict())

    def close(self) -> None:
        """Write what was kept for the end, and let it arrive."""
        self._live.close()
        self._write_left_out()
        for text in self._tail or ():
            self._line("", text, LINE_BYTES)
        if self._follows:
            time.sleep(_LAST_SECONDS)

    def _keep(self, tail: deque[str], text: str) -> None:
        tail.append(text)
        self._tail_bytes += len(text.encode()) + 1
        while self._tail_bytes > _TAIL_BYTES:
            self._tail_bytes -= len(tail.popleft().encode()) + 1
            self._left_out += 1

    def _write_progress(self, event: Event) -> None:
        task, now = _task(event), self._clock()
        room = self._budget.progress(task, now)
        if room and self._line(task, _one_line(event), room):
            self._budget.pause(task, now)

    def _write_verdict(self, event: Event) -> None:
        task, room = _task(event), self._budget.verdict()
        if event.type in _WHOLE:
            room = LINE_BYTES
            self._write_left_out()
        for text in self._excerpt(event, task):
            self._line(task, f"{task} | {text}", LINE_BYTES)
        if not self._line(task, _one_line(event), room):
            self._left_out += 1

    def _excerpt(self, event: Event, task: str) -> list[str]:
        """Return the last lines of an excerpt that have room; they come before the verdict."""
        kept: list[str] = []
        if not self._excerpts:
            return kept
        room = self._budget.excerpt(task)
        for text in reversed(event.fields.get("excerpt", ())):
            room -= len(text.encode()) + len(task) + 4
            if room < 0:
                break
            kept.insert(0, text)
        return kept

    def _write_left_out(self) -> None:
        if self._left_out:
            self._line("", f"… {self._left_out} lines left out; `--json` has all", LINE_BYTES)
            self._left_out = 0

    def _line(self, task: str, text: str, room: int) -> bool:
        """Write a line, cut to its room; False where there is none."""
        if room <= 0:
            return False
        data = " ".join(text.split()).encode("utf-8", "replace")
        if len(data) >= room:
            data = data[: room - 4].decode("utf-8", "ignore").encode() + "…".encode()
        self.stdout.write(data + b"\n")
        self.stdout.flush()
        self._budget.count(task, len(data) + 1)
        return True


def _task(event: Event) -> str:
    return event.key.task if event.key is not None else ""


def _one_line(event: Event) -> str:
    """Write an event as one line without its excerpt, which is printed before it.

    A plan's next step is left out too: in a session the implement command says what follows.
    """
    left_out = {"excerpt", "next"} if event.fields.get("verb") == "plan" else {"excerpt"}
    fields = {name: value for name, value in event.fields.items() if name not in left_out}
    return " ".join(render.line(event._replace(fields=fields), exact=True).split())
