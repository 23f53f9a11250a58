"""Which tasks of a file an id, a range, a story or a phase names."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from sdlc_runner.tasks import task_ids
from sdlc_runner.tasks.dependency_mentions import Reference, ReferenceKind

if TYPE_CHECKING:
    from sdlc_runner.tasks.parser import TaskFile
    from sdlc_runner.tasks.task_ids import IdKey

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
        self._removed = {task_ids.key(each) for each in task_file.removed}
        for at, task in enumerate(task_file.tasks):
            for each in task.ids:
                self._by_id.setdefault(each.casefold(), []).append(at)
                self._by_key.setdefault(task_ids.key(each), []).append(at)
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
        return self.exact(task_id) or tuple(self._by_key.get(task_ids.key(task_id), ()))

    def exact(self, task_id: str) -> tuple[int, ...]:
        """Return the tasks that carry this very id, upper or lower case."""
        return tuple(self._by_id.get(task_id.casefold(), ()))

    def has_prefix(self, task_id: str) -> bool:
        """Say whether the file has ids of this shape; ``FR-010`` is none in most files."""
        prefix = task_ids.key(task_id).prefix
        return prefix == "T" or prefix in self._prefixes

    def is_removed(self, task_id: str) -> bool:
        """Say whether the task is struck through."""
        return task_ids.key(task_id) in self._removed

    def between(self, first: str, last: str) -> tuple[int, ...] | None:
        """Return the tasks from one id to another, or None unless both ends exist."""
        if not self.task(first) or not self.task(last):
            return None
        low, high = sorted((task_ids.key(first), task_ids.key(last)))
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
        wanted = task_ids.key(task_id)
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
        # A struck-through task holds nobody up, and ISO-8601 is no task.
        unknown = not self.is_removed(task_id) and self.has_prefix(task_id)
        return None if unknown else ()
