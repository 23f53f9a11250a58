"""The one sentence that says why a task is where it is, with the lines of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.plan.blockers import Blocker, Standing
from sdlc_runner.tasks.parser import Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.tasks.parser import Task

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
