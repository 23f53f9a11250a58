"""Which consecutive tasks share an attempt: those on one file, and small ones when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.tasks import mentions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sdlc_runner.plan.graph import Graph
    from sdlc_runner.tasks.parser import Task

SAME_FILE_LIMIT = 8


def group(
    graph: Graph, tasks: Sequence[Task], runs: Iterable[Sequence[int]], small: int = 0
) -> list[tuple[int, ...]]:
    """Split runs of consecutive tasks into bundles, most of them of one task.

    A task joins only if it is ready whenever the bundle's first task is.
    """
    bundles: list[_Bundle] = []
    for run in runs:
        current: _Bundle | None = None
        for at in run:
            if current is None or not current.takes(at, small):
                current = _Bundle(graph, tasks, at)
                bundles.append(current)
            else:
                current.members.append(at)
    return [tuple(bundle.members) for bundle in bundles]


class _Bundle:
    def __init__(self, graph: Graph, tasks: Sequence[Task], first: int) -> None:
        self.graph = graph
        self.tasks = tasks
        self.members = [first]
        self.above: set[int] | None = None

    def takes(self, at: int, small: int) -> bool:
        size = len(self.members)
        by_file = size < SAME_FILE_LIMIT and self._shares_file(at)
        return (by_file or size < small) and self._ready_together(at)

    def _shares_file(self, at: int) -> bool:
        names = self.tasks[at].files
        held = dict.fromkeys(name for each in self.members for name in self.tasks[each].files)
        if any(name in held and not name.endswith("/") for name in names):
            return True
        # Two [P] tasks in one folder may run side by side once the folder's own task is done.
        return not self.tasks[at].parallel and any(
            mentions.overlaps(name, other) for name in names for other in held
        )

    def _ready_together(self, at: int) -> bool:
        first = self.members[0]
        outside = self.graph.front(at) - set(self.members)
        if outside <= self.graph.front(first) and not self.graph.forward:
            return True
        if self.above is None:
            self.above = self.graph.above(first)
        return at not in self.above and outside <= self.above
