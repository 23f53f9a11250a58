"""``plan``: shows what would run, in which order, and why the rest would not. Changes nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sdlc_runner.errors import ExitCode
from sdlc_runner.events.codec import AttemptKey, client_event
from sdlc_runner.events.types import PlannedEvent, SummaryEvent
from sdlc_runner.orchestrator import planning
from sdlc_runner.output.render import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.commands.call import Call
    from sdlc_runner.events.codec import Event
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.output.output import Output
    from sdlc_runner.plan.planner import Plan, PlanItem
    from sdlc_runner.tasks.parser import TaskFile


_NAMED = 12  # of the tasks that one waits for; a barrier may be hundreds


def run(call: Call) -> ExitCode:
    """Plan the scope that was given."""
    return show(call.open(), call.args.scope, call.output, batch=call.args.batch)


def show(project: Project, words: Sequence[str], output: Output, *, batch: bool) -> ExitCode:
    """Print the plan: one ``planned`` event a task, an ``error`` for each problem, a summary."""
    made, task_file = planning.make(project, planning.Request(tuple(words), batch))
    planning.emit_problems(made, output)
    output.write(*(_planned(project, item, task_file) for item in made.items))
    return _summarize(made, output)


def _planned(project: Project, item: PlanItem, task_file: TaskFile) -> Event:
    task = item.task
    return client_event(
        PlannedEvent(
            disposition=item.disposition.value,
            reason=item.reason,
            line=task.line,
            mode=task.mode.value,
            title=task.title,
            phase=task_file.phases[task.phase].title,
            story=task.story,
            wave=item.wave,
            bundle=item.bundle,
            files=list(task.files) or None,
            waits_for=list(item.waits_for[:_NAMED]) or None,
            warnings=[warning.message for warning in item.warnings] or None,
        ),
        AttemptKey(project.feature.name, task.id, 0),
    )


def _summarize(made: Plan, output: Output) -> ExitCode:
    counts = Counter(item.disposition.value for item in made.items)
    attempts, waves = sum(map(len, made.waves)), len(made.waves)
    parts = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    size = f"{counted(attempts, 'attempt')} in {counted(waves, 'wave')}"
    code = ExitCode.USAGE if made.problems else ExitCode.OK
    output.emit(
        SummaryEvent(
            verb="plan",
            verdict=f"{counted(len(made.items), 'task')}: {parts}. {size}.",
            ok=code is ExitCode.OK,
            exit=int(code),
            counts=dict(counts),
            next="sdlc-runner run" if attempts else None,
        )
    )
    return code
