"""Which tasks of a file an id, a range, a story, a phase or the words of a call mean."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.tasks import task_line
from sdlc_runner.tasks.mentions import Reference, ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sdlc_runner.tasks.parser import TaskFile
    from sdlc_runner.tasks.task_line import IdKey


_NEAREST = 3


class TaskIndex:
    """The tasks of one file by every name they have; answers are positions in file order."""

    def __init__(self, task_file: TaskFile) -> None:
        self._tasks = task_file.tasks
        self._by_id: dict[str, list[int]] = {}
        self._by_key: dict[IdKey, list[int]] = {}
        self._stories: dict[str, list[int]] = {}
        self._phases: dict[str, list[int]] = {phase.number: [] for phase in task_file.phases}
        self._phases = {number.casefold(): [] for number in self._phases if number}
        self._removed = {task_line.key(each) for each in task_file.removed}
        for at, task in enumerate(task_file.tasks):
            for each in task.ids:
                self._by_id.setdefault(each.casefold(), []).append(at)
                self._by_key.setdefault(task_line.key(each), []).append(at)
            number = task_file.phases[task.phase].number.casefold()
            if number:
                self._phases[number].append(at)
            if task.story:
                self._stories.setdefault(task.story, []).append(at)
        self._sorted = sorted(self._by_key)
        self._prefixes = {each.prefix for each in self._sorted}
        self._resolved: dict[Reference, tuple[int, ...] | None] = {}

    def task(self, task_id: str) -> tuple[int, ...]:
        """Return the tasks of this id; ``T5`` finds ``T005`` when no task is called T5."""
        return self.exact(task_id) or tuple(self._by_key.get(task_line.key(task_id), ()))

    def exact(self, task_id: str) -> tuple[int, ...]:
        """Return the tasks that carry this very id, upper or lower case."""
        return tuple(self._by_id.get(task_id.casefold(), ()))

    def has_prefix(self, task_id: str) -> bool:
        """Say whether the file has ids of this shape; ``FR-010`` is none in most files."""
        prefix = task_line.key(task_id).prefix
        return prefix == "T" or prefix in self._prefixes

    def is_removed(self, task_id: str) -> bool:
        """Say whether the task is struck through."""
        return task_line.key(task_id) in self._removed

    def between(self, first: str, last: str) -> tuple[int, ...] | None:
        """Return the tasks from one id to another, or None unless both ends exist."""
        if not self.task(first) or not self.task(last):
            return None
        low, high = sorted((task_line.key(first), task_line.key(last)))
        inside = self._sorted[bisect_left(self._sorted, low) : bisect_right(self._sorted, high)]
        found = {at for each in inside for at in self._by_key[each]}
        return tuple(sorted(found))

    def story(self, story: str) -> tuple[int, ...] | None:
        """Return the tasks of ``US1``, or None for a story that no task belongs to."""
        found = self._stories.get(story.upper())
        return None if found is None else tuple(found)

    def phase(self, number: str) -> tuple[int, ...] | None:
        """Return the tasks of the phases with this number, or None where there is none."""
        found = self._phases.get(number.casefold())
        return None if found is None else tuple(found)

    def reference(self, reference: Reference) -> tuple[int, ...] | None:
        """Return what a reference names, in file order; None where it names nothing known."""
        if reference not in self._resolved:
            self._resolved[reference] = self._find(reference)
        return self._resolved[reference]

    def nearest(self, task_id: str) -> tuple[str, ...]:
        """Return the known ids that a mistyped one most likely meant."""
        wanted = task_line.key(task_id)
        alike = sorted(
            self._sorted,
            key=lambda each: (each.prefix != wanted.prefix, abs(each.number - wanted.number), each),
        )
        near = [self._tasks[self._by_key[each][0]].id for each in alike[:_NEAREST]]
        return tuple(dict.fromkeys(near))

    def _find(self, reference: Reference) -> tuple[int, ...] | None:
        match reference.kind:
            case ReferenceKind.TASK:
                return self.task(reference.first) or self._harmless(reference.first)
            case ReferenceKind.RANGE:
                return self.between(reference.first, reference.last) or self._harmless(
                    reference.first
                )
            case ReferenceKind.STORY:
                return self.story(reference.first)
            case ReferenceKind.PHASE:
                return self.phase(reference.first)

    def _harmless(self, task_id: str) -> tuple[int, ...] | None:
        # A struck-through task holds nothing up, and ISO-8601 is no task.
        unknown = not self.is_removed(task_id) and self.has_prefix(task_id)
        return None if unknown else ()


_ID = task_line.PATTERN
_NUMBER = r"[0-9]{1,4}"
_PHASE_NUMBER = rf"{_NUMBER}(?:\.{_NUMBER})?[a-z]?"
_WORD = r"[^\W\d_][\w-]{1,40}"
_TOKEN = re.compile(
    rf"""
    (?P<range>(?<![\w-])(?P<first>{_ID})
        (?:\s{{0,3}}{task_line.DASH}\s{{0,3}}|\s{{1,9}}{task_line.RANGE_WORD}\s{{1,9}})(?P<last>{_ID}))
    |(?P<unclear>\b(?:before|after)\s{{1,9}}(?:tasks?\s{{1,9}})?{_ID})
    |(?:\bfrom|\bstarting\s(?:at|with|from))\s{{1,9}}(?:tasks?\s{{1,9}})?(?P<start>{_ID})
    |(?:\bup\sto|\buntil|\bthrough)\s{{1,9}}(?:tasks?\s{{1,9}})?(?P<until>{_ID})
    |(?P<task>(?<![\w-]){_ID})
    |\b(?:US-?|user\s{{1,9}}stor(?:y|ies)\s{{1,9}}|story[:\s]\s?)(?:US)?(?P<story>{_NUMBER})
        (?:\s?{task_line.DASH}\s?(?:US-?)?(?P<to_story>{_NUMBER}))?\b
    |\bphases?\s?[:=\s]\s{{0,9}}(?P<phase>{_PHASE_NUMBER}|[A-Za-z])\b
        (?:\s?{task_line.DASH}\s?(?P<to_phase>{_NUMBER}))?
    |\bphase\s?[:=]\s?["']?(?P<named>{_WORD})
    |(?<![\w:])(?P<name>{_WORD})\s{{1,9}}phase\b(?!\s{{1,9}}{_NUMBER})
    |(?P<all>\b(?:all|everything)\b(?!\s{{1,9}}of\b))
    |(?P<without>\b(?:except|without|excluding|skip|but\snot|not|ignore)\b)
    |(?P<turn>\b(?:only|then|just)\b|;|[.!?](?=\s|\Z))
    |(?P<word>\S)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_EXAMPLES = "Name tasks like T003, T003-T010, US1, phase:2 or phase:setup."
_RANGE_LIMIT = 50


class ScopeResult(NamedTuple):
    """The ids that the words name, and the words that named nothing."""

    ids: frozenset[str]
    ignored: tuple[str, ...] = ()


def parse(words: Sequence[str], task_file: TaskFile) -> ScopeResult:
    """Return the ids that the words mean, all of them for no words.

    Raises UsageError: UNKNOWN_TASK for an id that is not in the file, BAD_SCOPE where the
    words name a story or phase that is not there, or nothing at all.
    """
    text = " ".join(words)
    every = frozenset(task.id for task in task_file.tasks)
    if not text.strip():
        return ScopeResult(every)
    reader = _ScopeReader(text, task_file, TaskIndex(task_file))
    reader.read()
    if reader.wanted is None and not reader.unwanted:
        raise UsageError(Code.BAD_SCOPE, f"“{_short(text)}” names no task.", _EXAMPLES)
    chosen = range(len(task_file.tasks)) if reader.wanted is None else reader.wanted
    ids = frozenset(task_file.tasks[at].id for at in chosen if at not in reader.unwanted)
    return ScopeResult(ids, reader.ignored())


@dataclass(slots=True)
class _ScopeReader:
    """Walks the tokens once; after "except" what is named is taken away."""

    text: str
    task_file: TaskFile
    known: TaskIndex
    wanted: set[int] | None = None
    unwanted: set[int] = field(default_factory=set)
    taken: list[tuple[int, int]] = field(default_factory=list)
    negative: bool = False

    def read(self) -> None:
        for match in _TOKEN.finditer(self.text):
            if match["word"]:
                continue
            if match["without"] or match["turn"]:
                self.negative = match["without"] is not None
                continue
            found = self._find(match)
            if found is None:
                continue
            self.taken.append(match.span())
            self._note(found)

    def ignored(self) -> tuple[str, ...]:
        """Return the words of which no letter was part of a reference."""
        pieces: list[str] = []
        at = 0
        for start, end in self.taken:
            pieces.append(self.text[at:start])
            at = end
        words = " ".join([*pieces, self.text[at:]]).split()
        return tuple(word for word in words if any(map(str.isalnum, word)))

    def _note(self, found: Iterable[int]) -> None:
        if self.negative:
            self.unwanted.update(found)
        else:
            self.wanted = (self.wanted or set()) | set(found)

    def _find(self, match: re.Match[str]) -> Sequence[int] | None:
        if match["unclear"]:
            message = f"“{match['unclear']}” does not say which tasks."
            raise UsageError(Code.BAD_SCOPE, message, _EXAMPLES)
        if match["range"]:
            self._one(match["first"])
            self._one(match["last"])
            return self.known.between(match["first"], match["last"])
        if match["start"] or match["until"] or match["task"]:
            return self._from_tasks(match)
        if match["story"]:
            return self._stories(_numbers(match["story"], match["to_story"]))
        if match["phase"]:
            return self._phases(_numbers(match["phase"], match["to_phase"]))
        if match["named"] or match["name"]:
            return self._named_phase(match["named"] or match["name"], sure=bool(match["named"]))
        return range(len(self.task_file.tasks))

    def _from_tasks(self, match: re.Match[str]) -> Sequence[int] | None:
        found = self._one(match["start"] or match["until"] or match["task"])
        if not found or match["task"]:
            return found or None
        if match["start"]:
            return range(found[0], len(self.task_file.tasks))
        return range(found[-1] + 1)

    def _one(self, word: str) -> tuple[int, ...]:
        found = self.known.task(word)
        if not found and self.known.has_prefix(word):
            near = ", ".join(self.known.nearest(word))
            message = f"{task_line.canonical(word)} is not in tasks.md."
            raise UsageError(Code.UNKNOWN_TASK, message, f"The nearest are {near}." if near else "")
        return found

    def _stories(self, numbers: list[str]) -> list[int]:
        found: list[int] = []
        for number in numbers:
            story = f"US{int(number)}"
            tasks = self.known.story(story)
            if tasks is None:
                raise UsageError(Code.BAD_SCOPE, f"{story} has no task in tasks.md.", _EXAMPLES)
            found += tasks
        return found

    def _phases(self, numbers: list[str]) -> list[int]:
        found: list[int] = []
        for number in numbers:
            tasks = self.known.phase(number)
            if tasks is None:
                raise self._no_phase(number)
            found += tasks
        return found

    def _named_phase(self, name: str, *, sure: bool) -> list[int] | None:
        wanted = re.compile(rf"(?<!\w){re.escape(name)}", re.IGNORECASE)
        phases = {
            phase.position
            for phase in self.task_file.phases
            if phase.number.casefold() == name.casefold() or wanted.search(phase.title)
        }
        if not phases and sure:
            raise self._no_phase(name)
        if not phases or (not sure and name.casefold() in {"the", "this", "each", "every"}):
            return None
        return [at for at, task in enumerate(self.task_file.tasks) if task.phase in phases]

    def _no_phase(self, name: str) -> UsageError:
        titles = "; ".join(phase.title for phase in self.task_file.phases if phase.title)
        hint = f"The phases are: {_short(titles, 400)}" if titles else _EXAMPLES
        return UsageError(Code.BAD_SCOPE, f"tasks.md has no phase “{_short(name)}”.", hint)


def _numbers(first: str, last: str | None) -> list[str]:
    if last is None or not first.isdecimal() or not 0 < int(last) - int(first) <= _RANGE_LIMIT:
        return [first]
    return [str(number) for number in range(int(first), int(last) + 1)]


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
