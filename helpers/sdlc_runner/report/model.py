"""What a report tells: the run, its tasks, its attempts. All texts in it are hostile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.output.render import counted

if TYPE_CHECKING:
    from collections.abc import Mapping


class Usage(NamedTuple):
    """Tokens, and US dollars as the provider's price list says."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input_tokens + self.output_tokens

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Usage:
        """Take it from an event's fields; what is absent or None is nothing."""
        return cls(
            fields.get("input_tokens") or 0,
            fields.get("output_tokens") or 0,
            fields.get("cost") or 0.0,
        )

    def plus(self, other: Usage) -> Usage:
        """Return both together."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
        )

    def beyond(self, former: Usage) -> Usage:
        """Return what came after ``former``; what is told never shrinks."""
        return Usage(
            max(0, self.input_tokens - former.input_tokens),
            max(0, self.output_tokens - former.output_tokens),
            max(0.0, self.cost - former.cost),
        )


class Span(NamedTuple):
    """One phase of an attempt; times are seconds of the epoch."""

    phase: str
    task: str
    began: float
    ended: float


class Mood(str, Enum):
    """What an end means, for its colour."""

    GOOD = "good"
    BAD = "bad"
    HALTED = "halted"
    RUNNING = "running"


@dataclass(frozen=True)
class AttemptReport:
    """One attempt: ``name`` is ``T001-1``, ``outcome`` may be ``running``."""

    name: str
    tasks: tuple[str, ...]
    outcome: str
    mood: Mood
    code: str = ""
    began: float | None = None
    ended: float | None = None
    spans: tuple[Span, ...] = ()
    usage: Usage = field(default_factory=Usage)
    branch: str = ""
    backend: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took, where both ends are known."""
        if self.began is None or self.ended is None:
            return None
        return max(0.0, self.ended - self.began)


class ProblemReport(NamedTuple):
    """Why a task needs somebody: what happened, the log's last lines, and what to do."""

    message: str
    next: str
    excerpt: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskReport:
    """One task: ``state`` in one or two words, with ``trouble`` where somebody has to act."""

    id: str
    title: str
    state: str
    is_sync: bool = False
    is_done: bool = False
    line: int | None = None
    attempts: tuple[str, ...] = ()
    seconds: float | None = None
    usage: Usage = field(default_factory=Usage)
    commits: tuple[str, ...] = ()
    merged: str = ""
    trouble: ProblemReport | None = None


@dataclass(frozen=True)
class RunReport:
    """All that is known of a feature's attempts at the moment ``now``."""

    feature: str
    branch: str
    now: float
    tasks: tuple[TaskReport, ...]
    attempts: tuple[AttemptReport, ...]

    @property
    def usage(self) -> Usage:
        """Tokens and cost of all attempts."""
        total = Usage()
        for attempt in self.attempts:
            total = total.plus(attempt.usage)
        return total

    @property
    def outcomes(self) -> str:
        """Write ``7 attempts: 5 succeeded, 1 failed, 1 running``."""
        counts = Counter(item.outcome for item in self.attempts)
        parts = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        return f"{counted(len(self.attempts), 'attempt')}: {parts}" if parts else "no attempts"

    @property
    def troubled(self) -> tuple[TaskReport, ...]:
        """The tasks that need somebody."""
        return tuple(task for task in self.tasks if task.trouble)
