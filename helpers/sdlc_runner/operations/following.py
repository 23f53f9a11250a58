"""``follow``: streams what attempts do until each has ended and the remote has told how.

Whoever follows only looks: a signal or a closed pipe detaches, and the attempts go on.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner import cursor
from sdlc_runner.events import EventType
from sdlc_runner.follow import Reader, Sighted
from sdlc_runner.operations import attempts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdlc_runner.cursor import Position
    from sdlc_runner.operations.attempts import KnownAttempt
    from sdlc_runner.outcome import Judgement
    from sdlc_runner.output import Output
    from sdlc_runner.project import Project

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2
_EXCERPT_LINES = 8


@dataclass(frozen=True)
class Patience:
    """How much a consumer wants: seconds and lines, 0 for no bound."""

    seconds: float = 0
    lines: int = 0


@dataclass
class _Followed:
    """One attempt while it is followed."""

    known: KnownAttempt
    reader: Reader
    offset: int = 0
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=_EXCERPT_LINES))
    ended: bool = False

    def poll(self, project: Project) -> list[Sighted]:
        """Read what is new; ended once it was not alive before a read that found nothing."""
        sighting = self.known.sighting
        if sighting is None:
            self.ended = True
            return []
        alive = project.backend.is_alive(sighting)
        data = project.backend.read(sighting, self.offset)
        self.offset += len(data)
        sighted = self.reader.feed(data) if data else []
        if not data and not alive:
            self.ended = True
            sighted = self.reader.finish()
        self._remember(sighted)
        return sighted

    def _remember(self, sighted: Sequence[Sighted]) -> None:
        for item in sighted[-_EXCERPT_LINES:]:
            if item.event.type in {EventType.LOG, EventType.MESSAGE}:
                self.recent.append(item.event.fields["text"][:200])


class Follower:
    """Follows attempts side by side; ``judgements`` grows as they end."""

    def __init__(
        self, project: Project, output: Output, positions: Mapping[str, Position] | None = None
    ) -> None:
        """Prepare to go on from ``positions``."""
        self._project = project
        self._output = output
        self._positions = dict(positions or {})
        self._followed: list[_Followed] = []
        self._lines = 0
        self.judgements: dict[str, Judgement] = {}

    def add(self, known: KnownAttempt) -> None:
        """Follow one more attempt."""
        reader = Reader(known.key, self._positions.get(str(known.key)))
        self._followed.append(_Followed(known, reader))

    @property
    def running(self) -> int:
        """How many have not ended."""
        return sum(not item.ended for item in self._followed)

    @property
    def known(self) -> list[KnownAttempt]:
        """The attempts, those that ended as they were seen then."""
        return [item.known for item in self._followed]

    def cursor(self) -> str:
        """Where everything stands."""
        current = {str(item.known.key): item.reader.position for item in self._followed}
        return cursor.render({**self._positions, **current})

    def run(self, patience: Patience | None = None) -> bool:
        """Follow until all have ended (True) or patience is at its end (False)."""
        patience = patience or Patience()
        deadline = time.monotonic() + patience.seconds if patience.seconds else None
        pause = _SHORTEST_PAUSE
        while self.running:
            moved = self.step()
            if deadline is not None and time.monotonic() >= deadline:
                return False
            if patience.lines and self._lines >= patience.lines:
                return False
            pause = _SHORTEST_PAUSE if moved else min(pause * 1.5, _LONGEST_PAUSE)
            if not moved:
                time.sleep(pause)
        return True

    def step(self) -> bool:
        """Look at every attempt once; whether anything happened."""
        moved = False
        ended: list[_Followed] = []
        for item in self._followed:
            if item.ended:
                continue
            sighted = item.poll(self._project)
            self._pass_on(sighted)
            moved = moved or bool(sighted) or item.ended
            if item.ended:
                ended.append(item)
        if ended:
            self._judge(ended)
        return moved

    def _pass_on(self, sighted: list[Sighted]) -> None:
        self._lines += len(sighted)
        self._output.pass_on(sighted)

    def _judge(self, ended: Sequence[_Followed]) -> None:
        """Ask the remote how they ended; it alone knows."""
        refs = attempts.look(self._project)
        for item in ended:
            item.known = attempts.renewed(self._project, item.known, refs)
            self._refill(item, refs.refs.get(item.known.evidence.refs.transcript))
            for judgement in item.known.judge():
                self.judgements[judgement.task] = judgement
                tell_outcome(item.known, judgement, self._output, tuple(item.recent))

    def _refill(self, item: _Followed, transcript: str | None) -> None:
        """Look in the transcript for what the log lacks."""
        if transcript is None or (item.known.sighting is not None and not item.reader.gaps):
            return
        data = self._project.repo.read(transcript, "events.jsonl") or b""
        self._pass_on(item.reader.refill(data.splitlines()))


def tell_outcome(
    known: KnownAttempt, judgement: Judgement, output: Output, recent: Sequence[str] = ()
) -> None:
    """Write the witnessed end of one task."""
    result = known.evidence.result or known.ending.claim
    good = judgement.outcome.is_success
    key = type(known.key)(known.key.feature, judgement.task, known.key.number)
    output.tell(
        EventType.OUTCOME,
        key,
        outcome=judgement.outcome.value,
        code=judgement.code,
        message=judgement.message,
        hint=judgement.hint or None,
        branch=known.branch or None,
        base=known.base or None,
        head=known.evidence.branch_head,
        bundle=known.key.task if len(known.tasks) > 1 else None,
        checkpoint=known.evidence.refs.checkpoint if known.evidence.checkpoint else None,
        input_tokens=_count(result.get("input_tokens")),
        output_tokens=_count(result.get("output_tokens")),
        cost=_number(result.get("cost")),
        duration=_number(result.get("duration")),
        excerpt=None if good or not recent else list(recent),
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _number(value: object) -> float | None:
    return value if type(value) in {int, float} and value >= 0 else None  # type: ignore[operator,return-value]
