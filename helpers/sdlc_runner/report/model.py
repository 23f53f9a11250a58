"""The records of a report, and how their numbers and texts are written."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from sdlc_runner.events.codec import clean
from sdlc_runner.output.render import counted

if TYPE_CHECKING:
    from collections.abc import Mapping


_MINUTE, _HOUR = 60, 3600


def duration(seconds: float | None) -> str:
    """Write ``12.3 s``, ``3 min 20 s`` or ``1 h 02 min``; nothing where it is unknown."""
    if seconds is None:
        return ""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // _HOUR} h {whole % _HOUR // 60:02} min"


def tokens(count: int) -> str:
    """Write ``1,234,567``; nothing where there were none."""
    return f"{count:,}" if count else ""


def cost(dollars: float) -> str:
    """Write ``$0.0123``, ``$1.23``; nothing where there was none."""
    if not dollars:
        return ""
    return f"${dollars:.4f}" if dollars < 1 else f"${dollars:,.2f}"


def moment(seconds: float, *, date: bool = True, exact: bool = False) -> str:
    """Write a moment in UTC."""
    form = ("%Y-%m-%d " if date else "") + ("%H:%M:%S" if exact else "%H:%M")
    return time.strftime(form, time.gmtime(seconds))


TEXT_LIMIT = 300
_MARKS = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_NO_MENTION = "@\u2060"  # a word joiner: neither a mention nor an address any more
_NOT_XML = re.compile("[\ufffe\uffff\U0001fffe\U0001ffff]")
_TICKS = re.compile("`+")


def text(value: str, limit: int = TEXT_LIMIT) -> str:
    """Write a text that is nothing but text, also in a table's cell."""
    return _escaped(_plain(value, limit))


def _escaped(value: str) -> str:
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    value = _MARKS.sub(r"\\\g<0>", value).replace("@", _NO_MENTION)
    return re.sub(r"://|(?i:\bwww\.)", _broken, value)


def _broken(match: re.Match[str]) -> str:
    """Break what would be made a link all by itself."""
    return match[0][:-1] + "\\" + match[0][-1]


def code(value: str, limit: int = TEXT_LIMIT) -> str:
    """Write a text as code, also in a table's cell; the two marks that end either are replaced."""
    value = _plain(value, limit).replace("`", "'").replace("|", "\u00a6")
    return f"`{value}`" if value else ""


def prose(value: str, limit: int = TEXT_LIMIT) -> str:
    """Write a text that may have commands between backticks, and no other markup."""
    parts = re.split("`([^`]+)`", _plain(value, limit))  # each second one stood between two
    return "".join(code(part) if at % 2 else _escaped(part) for at, part in enumerate(parts))


def block(lines: tuple[str, ...], limit: int = TEXT_LIMIT) -> str:
    """Write lines as a block of code whose fence is in none of them."""
    shown = [_plain(line, limit) for line in lines]
    longest = max((len(ticks) for line in shown for ticks in _TICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *shown, fence])


def xml(value: str, limit: int = TEXT_LIMIT) -> str:
    """Write a text between tags."""
    return escape(_NOT_XML.sub("", _plain(value, limit)))


def attribute(value: str, limit: int = TEXT_LIMIT) -> str:
    """Write a text as an attribute's value, with its quotes."""
    return quoteattr(_NOT_XML.sub("", _plain(value, limit)))


def _plain(value: str, limit: int) -> str:
    return clean(value, limit).strip()


class UsageReport(NamedTuple):
    """Tokens, and US dollars as the provider's price list says."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input_tokens + self.output_tokens

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> UsageReport:
        """Take it from an event's fields; what is absent or None is nothing."""
        return cls(
            fields.get("input_tokens") or 0,
            fields.get("output_tokens") or 0,
            fields.get("cost") or 0.0,
        )

    def plus(self, other: UsageReport) -> UsageReport:
        """Return both together."""
        return UsageReport(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
        )

    def beyond(self, former: UsageReport) -> UsageReport:
        """Return what came after ``former``; what is reported never shrinks."""
        return UsageReport(
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
    usage: UsageReport = field(default_factory=UsageReport)
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
    usage: UsageReport = field(default_factory=UsageReport)
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
    def usage(self) -> UsageReport:
        """Tokens and cost of all attempts."""
        total = UsageReport()
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
