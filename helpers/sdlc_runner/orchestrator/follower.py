"""``follow``: streams what attempts do until each has ended and its outcome is verified.

Following only reads: a signal or a closed pipe detaches, and the attempts go on.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner.backends.base import TailUpdate
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.events import cursor
from sdlc_runner.events.codec import client_event
from sdlc_runner.events.log_reader import LogEntry, Reader, last_words
from sdlc_runner.events.types import EventBody, OutcomeEvent
from sdlc_runner.orchestrator import delegation, registry
from sdlc_runner.verify import evidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdlc_runner.backends.base import Tail
    from sdlc_runner.events.cursor import Position
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.verify.verdict import Verdict

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2
_EXCERPT_LINES = 8


@dataclass(frozen=True)
class FollowLimits:
    """How much a consumer wants: seconds and events, 0 for no bound."""

    seconds: float = 0
    lines: int = 0


_ENDLESS = FollowLimits()


@dataclass
class _Followed:
    """One attempt while it is followed."""

    known: Attempt
    reader: Reader
    tail: Tail | None
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=_EXCERPT_LINES))
    ended: bool = False

    def poll(self, most: int | None) -> list[LogEntry]:
        """Read what is new, at most ``most`` events of it: then nothing more is ever asked for."""
        poll_log = self.tail.poll_log() if self.tail else TailUpdate(over=True)
        batch = [self._client_event(body) for body in poll_log.notices]
        batch += self._feed(poll_log.log, most) if poll_log.log else []
        if poll_log.over:
            self.ended = True
            batch += self.reader.finish()
            self.close()
        self._remember(batch)
        return batch

    def close(self) -> None:
        """Read no more."""
        if self.tail is not None:
            self.tail.close()

    def _client_event(self, body: EventBody) -> LogEntry:
        return LogEntry.of(client_event(body, self.known.key))

    def _feed(self, log: bytes, most: int | None) -> list[LogEntry]:
        """Give the reader all of it, or only the lines that make ``most`` events."""
        if most is None:
            return self.reader.feed(log)
        found: list[LogEntry] = []
        for line in log.splitlines(keepends=True):
            found += self.reader.feed(line)
            if len(found) >= most:
                break
        return found

    def _remember(self, batch: Sequence[LogEntry]) -> None:
        self.recent.extend(last_words(batch, _EXCERPT_LINES))


class Follower:
    """Follows attempts side by side; ``verdicts`` grows as they end."""

    def __init__(
        self,
        project: Project,
        output: Output,
        positions: Mapping[str, Position] | None = None,
        limits: FollowLimits = _ENDLESS,
    ) -> None:
        """Prepare to go on from ``positions``; the clock of ``limits`` starts now."""
        self._project = project
        self._output = output
        self._positions = dict(positions or {})
        self._limits = limits
        self._began = time.monotonic()
        self._followed: list[_Followed] = []
        self._lines = 0
        self.verdicts: dict[str, Verdict] = {}

    def add(self, known: Attempt) -> None:
        """Follow one more attempt."""
        reader = Reader(known.key, self._positions.get(str(known.key)))
        status = known.status
        tail = self._project.backend.tail(status) if status else None
        self._followed.append(_Followed(known, reader, tail))

    @property
    def running(self) -> int:
        """How many have not ended."""
        return sum(not item.ended for item in self._followed)

    @property
    def known(self) -> list[Attempt]:
        """The attempts, those that ended as they were seen then."""
        return [item.known for item in self._followed]

    @property
    def is_over_limit(self) -> bool:
        """Whether a limit of the consumer is reached."""
        seconds = self._limits.seconds
        late = 0 < seconds <= time.monotonic() - self._began
        return late or self._left() == 0

    def _left(self) -> int | None:
        """How many more events the consumer wants; None: all."""
        return max(0, self._limits.lines - self._lines) if self._limits.lines else None

    def cursor(self, *, ended: bool = True) -> str:
        """Return the cursor of all attempts, or only of those that run."""
        items = [item for item in self._followed if ended or not item.ended]
        current = {str(item.known.key): item.reader.position for item in items}
        return cursor.render({**(self._positions if ended else {}), **current})

    def run(self) -> bool:
        """Follow until all have ended (True) or a limit is reached (False)."""
        pause = _SHORTEST_PAUSE
        while self.running:
            moved = self.step()
            if self.running and self.is_over_limit:
                self.close()
                return False
            pause = _SHORTEST_PAUSE if moved else min(pause * 1.5, _LONGEST_PAUSE)
            if not moved:
                self._project.backend.wait(pause)
        return True

    def close(self) -> None:
        """Detach: read no more, of none."""
        for item in self._followed:
            item.close()

    def step(self) -> bool:
        """Look at every attempt once; whether anything happened."""
        moved = False
        ended: list[_Followed] = []
        for item in self._followed:
            if item.ended:
                continue
            if self._left() == 0:
                break
            self._pass_on(batch := item.poll(self._left()))
            moved = moved or bool(batch) or item.ended
            if item.ended:
                ended.append(item)
        if ended:
            self._decide(ended)
        return moved

    def _pass_on(self, batch: list[LogEntry]) -> None:
        self._lines += self._output.pass_on(batch)

    def _decide(self, ended: Sequence[_Followed]) -> None:
        """Ask the remote how they ended; it alone knows."""
        refs, renewed = registry.refresh(self._project, [item.known for item in ended])
        for item, known in zip(ended, renewed, strict=True):
            item.known = known
            self._refill(item, refs.refs.get(item.known.evidence.refs.transcript))
            for verdict in item.known.decide():
                self.verdicts[verdict.task] = verdict
                emit_outcome(self._project, item.known, verdict, self._output, tuple(item.recent))

    def _refill(self, item: _Followed, transcript: str | None) -> None:
        """Look for what is missing: in the log, for a cursor with gaps, and in the transcript."""
        if item.reader.gaps and item.known.status is not None:
            log = b"".join(self._project.backend.log(item.known.status))
            self._pass_on(item.reader.refill(log.splitlines()))
        if transcript is None or item.reader.is_complete:
            return
        lines = evidence.read_events(self._project.repo, transcript)
        self._pass_on(item.reader.refill(lines))


def read_positions(text: str, output: Output) -> Mapping[str, Position]:
    """Read ``--cursor``: a cursor, or @FILE with the events that its owner has kept."""
    if not text.startswith("@"):
        return cursor.parse(text)
    path = Path(text[1:])
    try:
        with path.open("rb") as file:
            found = cursor.from_events(file)
    except FileNotFoundError:
        return {}  # the consumer has seen nothing yet
    except OSError as error:
        raise UsageError(Code.BAD_CURSOR, f"{path} cannot be read: {error.strerror}.") from error
    output.continue_file(path)
    return found


def emit_outcome(
    project: Project,
    known: Attempt,
    verdict: Verdict,
    output: Output,
    recent: Sequence[str] = (),
) -> None:
    """Write the verified outcome of one task, also where the spec-kit fork looks for it."""
    delegation.note_ended(project, known, verdict, output)
    result = known.evidence.result or known.ending.claim
    good = verdict.outcome.is_success
    key = type(known.key)(known.key.feature, verdict.task, known.key.number)
    output.emit(
        OutcomeEvent(
            outcome=verdict.outcome,
            code=verdict.code,
            message=verdict.message,
            hint=verdict.hint or None,
            branch=known.branch or None,
            base=known.base or None,
            head=known.evidence.branch_head,
            bundle=known.key.task if len(known.tasks) > 1 else None,
            checkpoint=known.evidence.refs.checkpoint if known.evidence.checkpoint else None,
            duration=registry.number(result.get("duration")),
            **registry.usage_of(result),
            excerpt=None if good or not recent else list(recent),
        ),
        key,
    )
