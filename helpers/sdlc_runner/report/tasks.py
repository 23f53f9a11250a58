"""What each task has come to, out of the plan, its attempts and what was merged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.plan.planner import Disposition
from sdlc_runner.report.model import ProblemReport, TaskReport, Usage
from sdlc_runner.tasks.parser import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sdlc_runner.plan.planner import Plan, PlanItem
    from sdlc_runner.report.model import AttemptReport
    from sdlc_runner.report.spans import Track
    from sdlc_runner.verify.evidence import WorkCommit
    from sdlc_runner.verify.verdict import Verdict

_GONE = "(not in tasks.md any more)"
_TELLING = frozenset({Disposition.BLOCKED, Disposition.INVALID, Disposition.MANUAL})
"""Dispositions whose reason somebody has to read."""


class Recalled(NamedTuple):
    """One attempt: its record, its way, how each task ended, and its log's last lines."""

    record: AttemptReport
    number: int
    track: Track
    verdicts: Mapping[str, Verdict]
    head: str | None = None
    commits: tuple[WorkCommit, ...] = ()
    said: tuple[str, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.record.outcome == "running"


class Merges(NamedTuple):
    """Merge commits on the feature branch, by what went in and by the tasks they name.

    ``conflicts`` are tasks that do not go in: what happened, and what to do.
    """

    by_head: Mapping[str, str]
    by_task: Mapping[str, str]
    conflicts: Mapping[str, ProblemReport]

    def of(self, task: str, newest: Recalled | None) -> str:
        """Return the commit that brought a task's work in; empty if there is none."""
        if newest is not None and newest.head is not None:
            return self.by_head.get(newest.head, "")
        return self.by_task.get(task, "")


def tell(plan: Plan, recalled: Sequence[Recalled], merges: Merges) -> Iterator[TaskReport]:
    """Yield the tasks in file order, then those that only attempts know."""
    for item in plan.items:
        mine = [each for each in recalled if item.task.id in each.record.tasks]
        yield _task(item, mine, merges)
    listed = {item.task.id for item in plan.items}
    for task in dict.fromkeys(task for each in recalled for task in each.record.tasks):
        if task not in listed:
            mine = [each for each in recalled if task in each.record.tasks]
            state = _newest(mine).record.outcome
            yield _spent(TaskReport(task, _GONE, state), mine)


def _task(item: PlanItem, mine: Sequence[Recalled], merges: Merges) -> TaskReport:
    newest = _newest(mine) if mine else None
    is_done = item.disposition is Disposition.DONE
    state, trouble = _state(item, newest, merges)
    task = TaskReport(
        item.task.id,
        item.task.title,
        state,
        is_sync=item.task.mode is Mode.SYNC and not mine,
        is_done=is_done,
        line=item.task.line,
        merged=merges.of(item.task.id, newest) if is_done else "",
        trouble=trouble,
    )
    return _spent(task, mine)


def _newest(mine: Sequence[Recalled]) -> Recalled:
    return max(mine, key=lambda each: each.number)


def _state(
    item: PlanItem, newest: Recalled | None, merges: Merges
) -> tuple[str, ProblemReport | None]:
    task, judged = item.task.id, None if newest is None else newest.verdicts.get(item.task.id)
    if newest is not None and newest.alive:
        return "running", None
    if item.disposition is Disposition.DONE:
        good = judged is not None and judged.outcome.is_success
        return (judged.outcome.value if judged and good else "done"), None
    if newest is None or judged is None:
        telling = item.disposition in _TELLING
        return item.disposition.value, ProblemReport(item.reason, "") if telling else None
    if task in merges.conflicts:
        return "conflict", merges.conflicts[task]
    if judged.outcome.is_success:
        return "not merged", ProblemReport(judged.message, "`sdlc-runner merge`")
    return judged.outcome.value, ProblemReport(judged.message, judged.hint, newest.said)


def _spent(task: TaskReport, mine: Sequence[Recalled]) -> TaskReport:
    """Add what all attempts at a task took and left."""
    usage = Usage()
    for each in mine:
        usage = usage.plus(each.track.usage.get(task.id, Usage()))
    commits = [
        commit.id
        for each in mine
        for commit in each.commits
        if commit.trailers.get("Task") == task.id
    ]
    lasted = [each.track.seconds(task.id) for each in mine]
    return replace(
        task,
        attempts=tuple(each.record.name for each in mine),
        seconds=sum(lasted) if any(lasted) else None,
        usage=usage,
        commits=tuple(commits),
    )
