"""What stops each open task, and the one sentence that says so."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.plan import graph as plan_graph
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
    numbers = plan_graph.components(graph.waits)
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


_NAMED = 4


def done(task: Task) -> str:
    """Say where a done task is ticked."""
    if task.done:
        return f"is ticked on line {task.line}"
    return f"is ticked in the remote's feature branch, not yet here (line {task.line})"


def sync(task: Task) -> str:
    """Say why a task is the session's own."""
    if task.marked:
        return "is SYNC: yours to do in the session"
    return "is unmarked, so SYNC: yours to do; mark it [ASYNC] to let an agent do it"


def manual() -> str:
    """Say why an [ASYNC] task is not given to an agent."""
    return "is marked ASYNC, but its text asks for a human: yours to do"


def failed(task: Task) -> str:
    """Say what to do about a task whose attempt failed."""
    return f"failed; do it yourself or try again: sdlc-runner retry {task.id}"


def held(standing: Standing, tasks: Sequence[Task], *, failure: bool) -> str:
    """Say which task holds this one up."""
    task = tasks[standing.origin]
    where = f"{task.id} (line {task.line})"
    match standing.hold:
        case Blocker.INVALID:
            return f"depends on {where}, which {'failed' if failure else 'is invalid'}"
        case Blocker.YOURS:
            kind = "SYNC" if task.mode is Mode.SYNC else "manual work"
            return f"waits for {task.id}, which is {kind} and open (line {task.line})"
        case Blocker.UNPUBLISHED:
            return (
                f"rests on {where}, which is done here but not pushed; "
                "publish it: sdlc-runner publish"
            )
        case Blocker.SCOPE:
            return f"waits for {task.id}, which is out of scope and open (line {task.line})"
        case Blocker.NONE:
            return ""


def ready(first: Task, task: Task) -> str:
    """Say that nothing is in the way."""
    if first is task:
        return "nothing open is in its way"
    return f"runs in one attempt with {first.id} (line {first.line})"


def waiting(earlier: Sequence[Task]) -> str:
    """Say after which agents' tasks this one runs."""
    named = [f"{task.id} (line {task.line})" for task in earlier[:_NAMED]]
    more = [f"{len(earlier) - _NAMED} more"] if len(earlier) > _NAMED else []
    words = named + more
    joined = " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    return f"runs after {joined}"
