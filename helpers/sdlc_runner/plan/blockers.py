"""Where each open task stands: free to run in some wave, held up, or blocked, and by whom."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.plan import cycles
from sdlc_runner.tasks.parser import Mode

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from sdlc_runner.plan.graph import Graph
    from sdlc_runner.tasks.parser import Task

_MANUAL = re.compile(
    r"\b(?:manually|by hand|a human"
    r"|human (?:review|approval|sign-?off|check)"
    r"|manual (?:tests?|testing|validation|verification|checks?|qa|reviews?|steps?))\b",
    re.IGNORECASE,
)


class Blocker(IntEnum):
    """What keeps a task from running, the strongest last."""

    NONE = 0
    SCOPE = 1
    UNPUBLISHED = 2
    YOURS = 3
    INVALID = 4


class Standing(NamedTuple):
    """The strongest hold on a task, and minus the position of the first task it comes from."""

    hold: Blocker = Blocker.NONE
    rank: int = 0

    @property
    def origin(self) -> int:
        """The position of the task that holds."""
        return -self.rank


FREE = Standing()


def is_manual(task: Task) -> bool:
    """Say whether the text of an [ASYNC] task asks for a human."""
    return task.mode is Mode.ASYNC and _MANUAL.search(" ".join(task.text.split())) is not None


def order(graph: Graph) -> list[int]:
    """Return the nodes so that each comes after all it waits for."""
    numbers = cycles.components(graph.waits)
    return sorted(range(len(numbers)), key=numbers.__getitem__)


def find(graph: Graph, own: Sequence[Standing], stand_in: Container[int]) -> list[Standing]:
    """Return what holds each task; ``own`` is what each one holds up others with.

    A task out of scope (``stand_in``) holds up only tasks that are in scope.
    """
    before = [FREE] * len(graph.waits)
    for node in order(graph):
        holds = (_outward(before, own, each) for each in graph.waits[node])
        before[node] = max(holds, default=FREE)
        if node in stand_in and before[node].hold is Blocker.SCOPE:
            before[node] = FREE
    return before[: graph.tasks]


def _outward(before: Sequence[Standing], own: Sequence[Standing], node: int) -> Standing:
    return max(before[node], own[node]) if node < len(own) else before[node]


def resting(graph: Graph, origins: Iterable[int]) -> dict[int, int]:
    """Return for each task that rests on one of the origins the first such origin."""
    dependents: list[list[int]] = [[] for _ in graph.waits]
    for node, waits in enumerate(graph.waits):
        for each in waits:
            dependents[each].append(node)
    found: dict[int, int] = {}
    for origin in sorted(origins):
        stack = list(dependents[origin])
        while stack:
            node = stack.pop()
            if node not in found:
                found[node] = origin
                stack += dependents[node]
    return {node: origin for node, origin in found.items() if node < graph.tasks}
