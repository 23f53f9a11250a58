"""What a text says it depends on: "(depends on T002-T004, US1)" as references."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from sdlc_runner.tasks import task_ids

_ID = task_ids.PATTERN
_NUMBER = r"[0-9]{1,4}"
_PHASE = rf"{_NUMBER}(?:\.{_NUMBER})?[a-z]?"
_TOKEN = re.compile(
    rf"""
    (?P<trigger>\bdepend(?:s|ent|ing|enc(?:y|ies))?
        (?:\s{{1,20}}(?:up)?on\b|_on\b|\s?:)|\bblocked\s{{1,20}}(?:by|on)\b)
    |(?P<weak>\b(?:requires?|needs|after)\b)
    |(?P<stop>\b(?:not|except|unlike|instead\s{{1,20}}of|rather\s{{1,20}}than)\b)
    |(?P<range>(?<![\w-])(?P<first>{_ID})
        (?:\s{{0,3}}{task_ids.DASH}\s{{0,3}}|\s{{1,20}}{task_ids.RANGE_WORD}\s{{1,20}})(?P<last>{_ID}))
    |(?P<short>(?<![\w-])(?P<low>{_ID}){task_ids.DASH}(?P<high>[0-9]{{1,9}})(?![\w]))
    |(?P<task>(?<![\w-]){_ID})
    |(?P<story>\b(?:US-?|user\s{{1,20}}stor(?:y|ies)\s{{1,20}})(?P<from_story>{_NUMBER})
        (?:\s?{task_ids.DASH}\s?(?:US-?)?(?P<to_story>{_NUMBER}))?\b(?P<owner>['\u2019]s)?)
    |(?P<phase>\bphases?\s{{1,20}}(?P<from_phase>{_PHASE}|final\b|[a-z]\b)
        (?:\s?{task_ids.DASH}\s?(?P<to_phase>{_NUMBER}))?)
    |(?P<open>[(\[])
    |(?P<close>[)\]])
    |(?P<end>;|[.!?](?=\s|\Z)|\n[ \t]{{0,40}}(?:[-*+]|[0-9]{{1,9}}[.)])\s|\n[ \t\r]{{0,40}}\n)
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,  # compiled in half the time
)
_NEGATED = re.compile(
    r"(?:\bnot|n['\u2019]t|\bno\slonger|\bnever|\bno|\bwithout)\s{1,9}(?:\w{1,20}\s{1,9}|be\s)?\Z",
    re.IGNORECASE,
)
_SUBJECT = re.compile(rf"(?<![\w-])({_ID})(?:\s{{1,9}}also)?\s{{1,9}}\Z")
_LOOK_BACK = 48
_TRIGGERS = ("depend", "block", "require", "need", "after")
_RANGE_LIMIT = 50


class ReferenceKind(str, Enum):
    """What a reference names."""

    TASK = "task"
    RANGE = "range"
    STORY = "story"
    PHASE = "phase"


class Reference(NamedTuple):
    """A task, all tasks from ``first`` to ``last``, or all tasks of a story or a phase."""

    kind: ReferenceKind
    first: str
    last: str = ""

    def __str__(self) -> str:
        if self.kind is ReferenceKind.PHASE:
            return f"Phase {self.first}"
        return f"{self.first}-{self.last}" if self.last else self.first


class _Reader:
    """Walks the tokens once; ``span`` is the phrase being read, None between phrases."""

    def __init__(self, text: str, subject: str) -> None:
        self.text = text
        self.subject = subject
        self.found: list[Reference] = []
        self.span: list[tuple[Reference, bool]] | None = None
        self.depth = 0
        self.span_depth = 0

    def read(self) -> tuple[Reference, ...]:
        for match in _TOKEN.finditer(self.text):
            kind = match.lastgroup
            if match["trigger"] or (match["weak"] and self.depth and self.span is None):
                self._begin(match.start())
            elif match["open"]:
                self.depth += 1
            elif match["close"]:
                self._close()
            elif kind == "end" or match["stop"]:
                self._finish()
            elif self.span is not None and not match["weak"]:
                owned = match["owner"] is not None
                self.span.extend((reference, owned) for reference in _references(match))
        self._finish()
        return tuple(dict.fromkeys(self.found))

    def _begin(self, at: int) -> None:
        self._finish()
        before = self.text[max(0, at - _LOOK_BACK) : at]
        other = _SUBJECT.search(before)
        foreign = other is not None and bool(self.subject) and not self._is_subject(other[1])
        if not foreign and _NEGATED.search(before) is None:
            self.span, self.span_depth = [], self.depth

    def _is_subject(self, word: str) -> bool:
        return word.casefold() == self.subject.casefold()

    def _close(self) -> None:
        if self.depth <= self.span_depth:
            self._finish()
        self.depth = max(0, self.depth - 1)

    def _finish(self) -> None:
        # "US1's CI results (T003)" means T003; "US1's results" alone means the whole story.
        span = self.span or []
        plain = [reference for reference, owned in span if not owned]
        self.found += plain or [reference for reference, _ in span]
        self.span = None


def find(text: str, subject: str = "") -> tuple[Reference, ...]:
    """Return what ``text`` depends on; "T009 depends on …" counts only for subject T009."""
    lowered = text.casefold()
    if not any(word in lowered for word in _TRIGGERS):
        return ()
    return _Reader(text.replace("\u00a0", " "), subject).read()


def _references(match: re.Match[str]) -> list[Reference]:
    if match["range"]:
        ends = (task_ids.canonical(match["first"]), task_ids.canonical(match["last"]))
        return [Reference(ReferenceKind.RANGE, *ends)]
    if match["short"]:
        return [_short_range(task_ids.canonical(match["low"]), match["high"])]
    if match["task"]:
        return [Reference(ReferenceKind.TASK, task_ids.canonical(match["task"]))]
    if match["story"]:
        numbers = _numbers(match["from_story"], match["to_story"])
        return [Reference(ReferenceKind.STORY, f"US{int(number)}") for number in numbers]
    if match["phase"]:
        numbers = _numbers(match["from_phase"], match["to_phase"])
        return [Reference(ReferenceKind.PHASE, number) for number in numbers]
    return []


def _short_range(first: str, digits: str) -> Reference:
    """Read ``T002-004``; other digits after a dash are no range."""
    prefix = task_ids.key(first).prefix
    if len(first) != len(prefix) + len(digits):
        return Reference(ReferenceKind.TASK, first)
    return Reference(ReferenceKind.RANGE, first, prefix + digits)


def _numbers(first: str, last: str | None) -> list[str]:
    if last is None or not first.isdecimal() or not 0 < int(last) - int(first) <= _RANGE_LIMIT:
        return [first]
    return [str(number) for number in range(int(first), int(last) + 1)]
