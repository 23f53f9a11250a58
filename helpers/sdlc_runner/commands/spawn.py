"""``spawn``: starts attempts at named tasks, or re-attaches to those there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.commands import follow
from sdlc_runner.errors import Code, ExitCode, UsageError
from sdlc_runner.git import managed_clone
from sdlc_runner.orchestrator import launcher, planning, registry
from sdlc_runner.orchestrator.follower import Follower, emit_outcome
from sdlc_runner.orchestrator.runner import RestartPolicy
from sdlc_runner.plan.planner import Disposition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.commands.call import Call
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.plan.planner import PlanItem, Unit
    from sdlc_runner.tasks.parser import Task, TaskFile


def run(call: Call) -> ExitCode:
    """Start them; with ``--follow`` wait for their outcomes."""
    words, remote = call.args.tasks, managed_clone.named_by(call.args.tasks)
    project = call.open() if remote is None else call.open_elsewhere(remote[1])
    output = call.output
    started = spawn(project, words if remote is None else [remote[0]], output)
    if call.args.follow:
        follower = Follower(project, output, limits=call.limits)
        again = RestartPolicy(project, output).of_unbegun
        return follow.to_the_end(project, follower, again, started, output)
    ended = [known for known in started if known.began and not known.alive]
    judged = [(known, verdict) for known in ended for verdict in known.decide()]
    for known, verdict in judged:
        emit_outcome(project, known, verdict, output)
    bad = any(not verdict.outcome.is_success for _, verdict in judged)
    return ExitCode.TASK_FAILED if bad else ExitCode.OK


def spawn(project: Project, words: Sequence[str], output: Output) -> list[Attempt]:
    """Start the named tasks, or re-attach; all are checked before any is started."""
    context = launcher.prepare(project)
    newest = registry.latest(context.known)
    ids = [task.id for task in project.load_tasks()[1].tasks]
    words = [registry.canonical(word, ids) for word in words]
    words = [*words, *_rest_of_batches(project, [word for word in words if word not in newest])]
    plan, task_file = planning.make(project, planning.Request(tuple(words)))
    wanted = planning.named(words, task_file)
    fresh = [task for task in wanted if task not in newest]
    items = {item.task.id: item for item in plan.items}
    for task in fresh:
        _require_ready(items[task])
    units = [unit for unit in (plan.waves[0] if plan.waves else ()) if _is_fresh(unit, fresh)]
    old = list({newest[task].key: newest[task] for task in wanted if task in newest}.values())
    started = launcher.start_new(project, context, [unit.tasks for unit in units], output)
    again = [
        launcher.resume(project, context, known, _tasks_of(known, task_file), output)
        for known in old
    ]
    return [*started, *again]


def _rest_of_batches(project: Project, fresh: Sequence[str]) -> list[str]:
    """Return the other tasks of each batch whose first task is named."""
    items = planning.make(project, planning.Request())[0].items
    named = {item.bundle for item in items if item.task.id in fresh} & {*fresh}
    return [item.task.id for item in items if item.bundle in named and item.task.id not in fresh]


def _tasks_of(known: Attempt, task_file: TaskFile) -> list[Task]:
    return [task for task in task_file.tasks if task.id in known.tasks]


def _is_fresh(unit: Unit, fresh: Sequence[str]) -> bool:
    return any(task.id in fresh for task in unit.tasks)


def _require_ready(item: PlanItem) -> None:
    task = item.task
    where = f"{task.id} (line {task.line})"
    match item.disposition:
        case Disposition.READY:
            return
        case Disposition.DONE:
            raise UsageError(
                Code.TASK_DONE,
                f"{where} is done: its box is ticked.",
                "`sdlc-runner plan` shows what is open.",
                line=task.line,
            )
        case Disposition.SYNC:
            raise UsageError(
                Code.TASK_NOT_ASYNC,
                f"{where} is not marked [ASYNC], so it is yours to do.",
                "To have an agent do it, mark it [ASYNC] in tasks.md.",
                line=task.line,
            )
        case _:
            raise UsageError(
                Code.TASK_NOT_READY,
                f"{where} is {item.disposition.value}: {item.reason}",
                "`sdlc-runner plan` lists all tasks.",
                line=task.line,
            )
