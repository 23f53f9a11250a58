"""Task records and the grammar of ``tasks.md``: the one reader of that file."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from sdlc_runner.errors import Code
from sdlc_runner.tasks import markdown, mentions, task_line
from sdlc_runner.tasks.mentions import Reference, ReferenceKind

_NO_TASKS_IN = re.compile(
    r"\W{0,8}(?:dependencies|parallel (?:execution )?examples?|implementation strategy"
    r"|notes|format)\b",
    re.IGNORECASE,
)
_PHASE = re.compile(
    r"\W{0,8}(?:final phase\b|phase\s+[\w.]{1,12}\s*(?:[:\u2013\u2014-]|\Z))", re.IGNORECASE
)
_NUMBER = re.compile(r"phase\s+([0-9]{1,4}(?:\.[0-9]{1,4})*[a-z]?|[A-Z])\b", re.IGNORECASE)
_STORY = re.compile(r"\b(?:user story\s+|US-?)([0-9]{1,4})\b", re.IGNORECASE)
_ENDS_TASK = re.compile(r"\*{1,2}checkpoint\b|(?:-{3,}|\*{3,}|_{3,}|={3,})\Z", re.IGNORECASE)
_PHASE_LEVEL = 2
_SECTION_LEVEL = 3


class Mode(str, Enum):
    """Who works on a task: the session itself, or an agent elsewhere."""

    SYNC = "SYNC"
    ASYNC = "ASYNC"


class Task(NamedTuple):
    """One task; ``offset`` is where its box character stands in the file's text.

    ``column`` is the same within line ``line`` (lines count from 1, characters from 0).
    """

    id: str
    aliases: tuple[str, ...]
    line: int
    column: int
    offset: int
    done: bool
    mode: Mode
    marked: bool
    parallel: bool
    story: str | None
    phase: int
    title: str
    text: str
    files: tuple[str, ...]
    depends_on: tuple[Reference, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id this task answers to, its own first."""
        return (self.id, *self.aliases)


class Phase(NamedTuple):
    """One H2 section; tasks before any are in one without title on line 0."""

    position: int
    title: str
    number: str
    line: int
    story: str | None


class Problem(NamedTuple):
    """What is wrong with the tasks, in a sentence that names ids and lines."""

    code: Code
    message: str
    line: int
    ids: tuple[str, ...]


class TaskFile(NamedTuple):
    """A ``tasks.md`` as read; ``removed`` are the ids that are struck through."""

    tasks: tuple[Task, ...]
    phases: tuple[Phase, ...]
    problems: tuple[Problem, ...] = ()
    removed: tuple[str, ...] = ()


def parse(text: str) -> TaskFile:
    """Read any text; what is no task is skipped, and nothing is raised."""
    reader = _TaskReader()
    for line in markdown.scan(text):
        reader.take(line)
    stories = _phase_stories(reader.phases, reader.drafts)
    tasks = tuple(draft.finish(stories[draft.phase]) for draft in reader.drafts)
    phases = tuple(
        Phase(at, each.title, each.number, each.line, stories[at])
        for at, each in enumerate(reader.phases)
    )
    return TaskFile(tasks, phases, _duplicates(tasks), tuple(reader.removed))


class _Draft:
    """A task while its lines are still coming."""

    def __init__(
        self, head: task_line.Head, line: markdown.Line, phase: int, needs: tuple[Reference, ...]
    ) -> None:
        self.head = head
        self.line = line.number
        self.offset = line.offset + head.column
        self.indent = line.indent
        self.phase = phase
        self.inherited = needs
        self.lines: list[str] = []
        self.prose: list[str] = []

    def finish(self, phase_story: str | None) -> Task:
        head = self.head
        rest = _dedented(self.lines) if self.lines else ""
        prose = "\n".join([head.rest, *self.prose])
        return Task(
            id=head.id,
            aliases=head.aliases,
            line=self.line,
            column=head.column,
            offset=self.offset,
            done=head.box in {"x", "X"},
            mode=Mode.ASYNC if head.modes == {"ASYNC"} else Mode.SYNC,
            marked=bool(head.modes),
            parallel=head.parallel,
            story=head.story or phase_story,
            phase=self.phase,
            title=head.title or self._first_words(),
            text="\n".join([head.rest, rest] if rest else [head.rest]),
            files=mentions.find_files(prose),
            depends_on=self._references(prose),
        )

    def _first_words(self) -> str:
        words = next((line.strip() for line in self.prose if line.strip()), "")
        return words[: task_line.TITLE_LIMIT]

    def _references(self, prose: str) -> tuple[Reference, ...]:
        own = Reference(ReferenceKind.TASK, self.head.id)
        inherited = [reference for reference in self.inherited if reference != own]
        return tuple(dict.fromkeys([*mentions.find_dependencies(prose, self.head.id), *inherited]))


def _dedented(lines: list[str]) -> str:
    from textwrap import dedent  # noqa: PLC0415 - most tasks are one line

    return dedent("\n".join(lines)).rstrip("\n")


class _PhaseDraft:
    def __init__(self, title: str, number: str, line: int, story: str | None) -> None:
        self.title = title
        self.number = number
        self.line = line
        self.story = story


class _TaskReader:
    """Takes the lines one after the other; ``open`` are the nested tasks still growing."""

    def __init__(self) -> None:
        self.drafts: list[_Draft] = []
        self.phases: list[_PhaseDraft] = []
        self.removed: list[str] = []
        self.open: list[_Draft] = []
        self.blanks = 0
        self.skip_level = 0
        self.phase_needs: tuple[Reference, ...] = ()
        self.section_needs: tuple[Reference, ...] = ()

    def take(self, line: markdown.Line) -> None:
        match line.kind:
            case markdown.LineKind.BLANK:
                self.blanks += 1
            case markdown.LineKind.HEADING:
                self._heading(line)
            case markdown.LineKind.CODE:
                self._code(line)
            case markdown.LineKind.COMMENT:
                pass
            case markdown.LineKind.TEXT:
                self._text(line)

    def _heading(self, line: markdown.Line) -> None:
        self.open.clear()
        level, title = markdown.heading(line.visible) or (0, "")
        if self.skip_level and level > self.skip_level:
            return
        if level > _SECTION_LEVEL:
            return
        self.skip_level = 0
        self.section_needs = ()
        if level > 1 and _NO_TASKS_IN.match(title):
            self.skip_level = level
        elif level == _PHASE_LEVEL or _PHASE.match(title):
            self._begin_phase(line.number, title)
        else:
            self.section_needs = mentions.find_dependencies(title)

    def _begin_phase(self, number: int, title: str) -> None:
        named = _NUMBER.search(title)
        final = "Final" if _PHASE.match(title) else ""
        story = _STORY.search(title)
        self.phases.append(
            _PhaseDraft(
                title,
                named[1] if named else final,
                number,
                f"US{int(story[1])}" if story else None,
            )
        )
        self.phase_needs = mentions.find_dependencies(title)

    def _code(self, line: markdown.Line) -> None:
        if line.opens:
            self._leave(line.indent)
        if self.open:
            self._attach(line, prose=False)

    def _text(self, line: markdown.Line) -> None:
        head = task_line.parse(line.visible)
        if self.skip_level:
            return
        if head is not None and head.removed:
            self.removed += [head.id, *head.aliases]
            self._leave(line.indent)
            self.open.clear()
        elif head is not None and head.id:
            self._begin_task(line, head)
        else:
            self._continue(line)

    def _begin_task(self, line: markdown.Line, head: task_line.Head) -> None:
        if not self.phases:
            self.phases.append(_PhaseDraft("", "", 0, None))
        self._leave(line.indent)
        self.blanks = 0
        needs = self.phase_needs + self.section_needs
        draft = _Draft(head, line, len(self.phases) - 1, needs)
        self.drafts.append(draft)
        self.open.append(draft)

    def _continue(self, line: markdown.Line) -> None:
        bare = line.visible.lstrip()
        lazy = not self.blanks and not task_line.is_bullet(line.visible)
        if not lazy or _ENDS_TASK.match(bare.rstrip()):
            self._leave(line.indent)
        if self.open:
            self._attach(line, prose=True)

    def _attach(self, line: markdown.Line, *, prose: bool) -> None:
        draft = self.open[-1]
        blanks = [""] * self.blanks
        self.blanks = 0
        draft.lines += [*blanks, line.text]
        if prose:
            draft.prose += [*blanks, line.visible]

    def _leave(self, indent: int) -> None:
        """Close the tasks that a line of this indentation is no part of."""
        while self.open and indent <= self.open[-1].indent:
            self.open.pop()


def _phase_stories(phases: list[_PhaseDraft], drafts: list[_Draft]) -> list[str | None]:
    """Return each phase's story: from its title, or the one that all its tasks carry."""
    carried: list[set[str | None]] = [set() for _ in phases]
    for draft in drafts:
        carried[draft.phase].add(draft.head.story)
    return [
        phase.story or (next(iter(stories)) if len(stories) == 1 else None)
        for phase, stories in zip(phases, carried, strict=True)
    ]


def _duplicates(tasks: tuple[Task, ...]) -> tuple[Problem, ...]:
    first: dict[str, Task] = {}
    problems: list[Problem] = []
    for task in tasks:
        for each in task.ids:
            earlier = first.setdefault(each.casefold(), task)
            if earlier is not task:
                message = f"{each} is on line {earlier.line} and again on line {task.line}"
                problems.append(Problem(Code.DUPLICATE_TASK, message, task.line, (each,)))
    return tuple(problems)
