"""The waiting graph: who waits for whom, by phases, order, files and declared dependencies.

Nodes below ``tasks`` are tasks; those above stand for "all of these", so that a barrier
between two phases of n tasks costs n edges and not n².
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.plan.file_order import FileOrder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sdlc_runner.tasks.parser import TaskFile

_FEW = 8


class Graph:
    """``waits[n]`` are the nodes that node n waits for; ``shared`` those for a file's sake.

    ``forward`` says that some task waits for a later one.
    """

    def __init__(self, tasks: int, waits: list[list[int]]) -> None:
        """Begin with these."""
        self.tasks = tasks
        self.waits = waits
        self.shared: dict[int, tuple[int, ...]] = {}
        self.forward = False
        self._fronts: dict[int, frozenset[int]] = {}

    def join(self, nodes: Iterable[int]) -> int:
        """Return a node that waits for all of these."""
        self.waits.append(list(nodes))
        return len(self.waits) - 1

    def front(self, node: int) -> frozenset[int]:
        """Return the tasks that the node waits for directly."""
        if node not in self._fronts:
            self._fronts[node] = self._find_front(node)
        return self._fronts[node]

    def above(self, node: int) -> set[int]:
        """Return every node that the node waits for, however far."""
        seen: set[int] = set()
        stack = list(self.waits[node])
        while stack:
            each = stack.pop()
            if each not in seen:
                seen.add(each)
                stack += self.waits[each]
        return seen

    def _find_front(self, node: int) -> frozenset[int]:
        if node < self.tasks and len(self.waits[node]) == 1 and self.waits[node][0] >= self.tasks:
            return self.front(self.waits[node][0])
        found: set[int] = set()
        seen: set[int] = set()
        stack = list(self.waits[node])
        while stack:
            each = stack.pop()
            if each < self.tasks:
                found.add(each)
            elif each not in seen:
                seen.add(each)
                stack += self.waits[each]
        return frozenset(found)


class _Barriers:
    """What a phase's tasks wait for: the phases before it."""

    def __init__(self, *, parallel_stories: bool) -> None:
        self.parallel_stories = parallel_stories
        self.common: list[int] = []
        self.stories: list[int] = []

    def before(self, *, story: bool) -> list[int]:
        # Every story phase waits for the common ones itself.
        alone = story and self.parallel_stories
        return self.common if alone or not self.stories else self.stories

    def add(self, end: list[int], *, story: bool) -> None:
        if story and self.parallel_stories:
            self.stories += end
        else:
            self.common, self.stories = end, []


def build(
    task_file: TaskFile,
    chosen: Sequence[bool],
    needs: Sequence[Sequence[int]],
    *,
    parallel_stories: bool = False,
) -> Graph:
    """Build the graph of the chosen tasks; ``needs`` are the declared dependencies."""
    count = len(task_file.tasks)
    graph = Graph(count, [[] for _ in range(count)])
    barriers = _Barriers(parallel_stories=parallel_stories)
    members: list[list[int]] = [[] for _ in task_file.phases]
    for at, task in enumerate(task_file.tasks):
        if chosen[at]:
            members[task.phase].append(at)
    for phase, inside in zip(task_file.phases, members, strict=True):
        if inside:
            story = phase.story is not None
            start = barriers.before(story=story)
            barriers.add(_add_phase(graph, task_file, inside, start), story=story)
    _add_needs(graph, chosen, needs)
    _add_files(graph, task_file, chosen)
    return graph


def _add_phase(graph: Graph, task_file: TaskFile, inside: list[int], start: list[int]) -> list[int]:
    """Order the tasks of one phase; return what the next phase waits for."""
    gate = [graph.join(start)] if len(start) > 1 else start
    since: list[int] = []
    for at in inside:
        if task_file.tasks[at].parallel:
            graph.waits[at] += gate
            since.append(at)
        else:
            graph.waits[at] += since or gate
            gate, since = [at], []
    end = since or gate
    return [graph.join(end)] if len(end) > 1 else end


def _add_needs(graph: Graph, chosen: Sequence[bool], needs: Sequence[Sequence[int]]) -> None:
    joined: dict[int, int] = {}
    for at, wanted in enumerate(needs):
        if not chosen[at]:
            continue
        graph.forward = graph.forward or any(each > at for each in wanted)
        if len(wanted) <= _FEW:
            graph.waits[at] += [each for each in wanted if chosen[each]]
            continue
        if id(wanted) not in joined:
            joined[id(wanted)] = graph.join(each for each in wanted if chosen[each])
        graph.waits[at].append(joined[id(wanted)])


def _add_files(graph: Graph, task_file: TaskFile, chosen: Sequence[bool]) -> None:
    order = FileOrder()
    for at, task in enumerate(task_file.tasks):
        if chosen[at] and task.files:
            graph.shared[at] = order.follow(at, task.files)
            graph.waits[at] += graph.shared[at]
