"""What the tasks of a file declare to depend on, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code
from sdlc_runner.plan import cycles, graph
from sdlc_runner.tasks.dependency_mentions import ReferenceKind
from sdlc_runner.tasks.parser import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sdlc_runner.tasks.dependency_mentions import Reference
    from sdlc_runner.tasks.index import TaskIndex
    from sdlc_runner.tasks.parser import Task, TaskFile

_NAMED = 8


class Declared:
    """Per task the tasks it needs; ``invalid`` says of a position why it cannot be planned."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Begin with these."""
        self.needs: list[tuple[int, ...]] = []
        self.problems = list(problems)
        self.invalid: dict[int, str] = {}


def read(
    task_file: TaskFile, known: TaskIndex, pending: Sequence[bool], *, parallel_stories: bool
) -> Declared:
    """Resolve every reference; what cannot be is a problem, and what was circular is cut."""
    declared = Declared(task_file.problems)
    for at, task in enumerate(task_file.tasks):
        declared.needs.append(_resolve(declared, known, at, task, pending=pending[at]))
        if pending[at]:
            _note_duplicate(declared, known, at, task)
    _cut_circles(declared, task_file, pending, parallel_stories=parallel_stories)
    return declared


def _resolve(
    declared: Declared, known: TaskIndex, at: int, task: Task, *, pending: bool
) -> tuple[int, ...]:
    found: list[tuple[int, ...]] = []
    for reference in task.depends_on:
        wanted = known.reference(reference)
        if wanted is not None:
            found.append(_without_self(reference, wanted, at))
        elif pending:
            missing = _missing(reference, known)
            message = f"{_where(task)} depends on {missing}, which is nowhere in tasks.md"
            _invalidate(declared, [at], message, Code.UNKNOWN_DEPENDENCY, [task])
    # One reference keeps its tuple, which every task that says the same then shares.
    needs = found[0] if len(found) == 1 else tuple(dict.fromkeys(sum(found, ())))
    return needs if pending else tuple(each for each in needs if each < at)


def _without_self(reference: Reference, wanted: tuple[int, ...], at: int) -> tuple[int, ...]:
    """Leave a task out of the range, story or phase that it depends on as a whole."""
    match reference.kind:
        case ReferenceKind.TASK:
            return wanted
        case ReferenceKind.RANGE:
            return wanted if at not in wanted else tuple(each for each in wanted if each != at)
        case ReferenceKind.STORY | ReferenceKind.PHASE:
            return wanted if at not in wanted else tuple(each for each in wanted if each < at)


def _missing(reference: Reference, known: TaskIndex) -> str:
    ends = [end for end in (reference.first, reference.last) if end]
    if reference.kind is not ReferenceKind.RANGE:
        return str(reference)
    return next((end for end in ends if not known.task(end)), str(reference))


def _note_duplicate(declared: Declared, known: TaskIndex, at: int, task: Task) -> None:
    twice = next((each for each in task.ids if len(known.exact(each)) > 1), None)
    if twice is None:
        return
    named = twice.casefold()
    same = (each for each in declared.problems if each.code is Code.DUPLICATE_TASK)
    message = next((each.message for each in same if named == each.ids[0].casefold()), twice)
    declared.invalid.setdefault(at, message)


def _cut_circles(
    declared: Declared, task_file: TaskFile, pending: Sequence[bool], *, parallel_stories: bool
) -> None:
    """Only a need of a later task can close a circle: all else points back in the file."""
    forward = {
        at: tuple(each for each in needs if each >= at and pending[each])
        for at, needs in enumerate(declared.needs)
        if pending[at] and needs and max(needs) >= at
    }
    if not forward:
        return
    built = graph.build(task_file, pending, declared.needs, parallel_stories=parallel_stories)
    circles = cycles.components(built.waits)
    closing = {
        at: tuple(each for each in later if circles[each] == circles[at])
        for at, later in forward.items()
    }
    only_open = [
        [each for each in needs if pending[each]] if pending[at] else []
        for at, needs in enumerate(declared.needs)
    ]
    mutual = cycles.components(only_open)
    sizes = Counter(mutual)
    _tell_mutual(declared, task_file, mutual, {m for m, size in sizes.items() if size > 1})
    for at, later in closing.items():
        if later:
            _tell_closing(declared, task_file, at, [e for e in later if mutual[e] != mutual[at]])
            if at in later:
                task = task_file.tasks[at]
                message = f"{_where(task)} depends on itself"
                _invalidate(declared, [at], message, Code.DEPENDENCY_CYCLE, [task])
            declared.needs[at] = ()


def _tell_mutual(
    declared: Declared, task_file: TaskFile, mutual: Sequence[int], rings: set[int]
) -> None:
    members: dict[int, list[int]] = {}
    for at, ring in enumerate(mutual):
        if ring in rings:
            members.setdefault(ring, []).append(at)
    for positions in members.values():
        tasks = [task_file.tasks[at] for at in positions]
        message = f"{_list(map(_where, tasks))} depend on each other"
        _invalidate(declared, positions, message, Code.DEPENDENCY_CYCLE, tasks)


def _tell_closing(declared: Declared, task_file: TaskFile, at: int, later: list[int]) -> None:
    if not later:
        return
    task, others = task_file.tasks[at], [task_file.tasks[each] for each in later]
    message = (
        f"{_list(map(_where, [task, *others]))} depend on each other: "
        f"{task.id} says so, and by its place in tasks.md {others[0].id} comes after {task.id}"
    )
    _invalidate(declared, [at, *later], message, Code.DEPENDENCY_CYCLE, [task, *others])


def _invalidate(
    declared: Declared, positions: list[int], message: str, code: Code, tasks: list[Task]
) -> None:
    for at in positions:
        declared.invalid.setdefault(at, message)
    ids = tuple(task.id for task in tasks)
    declared.problems.append(Problem(code, message, tasks[0].line, ids))


def _where(task: Task) -> str:
    return f"{task.id} (line {task.line})"


def _list(words: Iterable[str]) -> str:
    """Write ``a, b and c``, and not more than fits a sentence."""
    all_words = list(words)
    shown = all_words[:_NAMED]
    if len(all_words) > _NAMED:
        shown.append(f"{len(all_words) - _NAMED} more")
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
