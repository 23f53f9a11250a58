"""``retry``: starts the next attempt at a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.commands import follow
from sdlc_runner.errors import Code, ExitCode, UsageError
from sdlc_runner.events.codec import AttemptKey
from sdlc_runner.orchestrator import launcher, merger, registry

if TYPE_CHECKING:
    from sdlc_runner.commands.call import Call
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output


def run(call: Call) -> ExitCode:
    """Start it; with ``--follow`` wait for its outcome."""
    project, args = call.open(), call.args
    known = retry(
        project,
        args.task,
        call.output,
        from_checkpoint=args.from_checkpoint,
        force=args.force,
    )
    if not args.follow:
        return ExitCode.OK
    return follow.follow_all(project, [known], call.output, call.limits)


def retry(
    project: Project, word: str, output: Output, *, from_checkpoint: bool, force: bool
) -> Attempt:
    """Start the next attempt at what the newest one of a task left undone or could not merge.

    ``force``: even if that one may still run on another machine.
    """
    context = launcher.prepare(project)
    found = registry.latest(context.known)
    known = registry.require(project, found, word)
    task = registry.canonical(word, found)
    verdicts = known.decide()
    _require_ended(known, task, maybe_elsewhere=not force and verdicts[0].code == "no_result")
    _, task_file = project.load_tasks()
    if not known.began and known.status is not None and not from_checkpoint:
        tasks = [item for item in task_file.tasks if item.id in known.tasks]
        return launcher.resume(project, context, known, tasks, output)
    undone = {item.task for item in verdicts if not item.outcome.is_success}
    if task not in undone:
        undone |= _in_conflict(project, known, task)
        if from_checkpoint:
            raise _no_checkpoint(f"Attempt {known.key} left no unfinished work.", task)
    if from_checkpoint and known.evidence.checkpoint is None:
        raise _no_checkpoint(f"Attempt {known.key} left no checkpoint.", task)
    tasks = [item for item in task_file.tasks if item.id in undone]
    if not tasks:
        raise UsageError(
            Code.UNKNOWN_TASK,
            f"{task} is no longer in tasks.md.",
            "`sdlc-runner plan` lists the tasks of this feature.",
        )
    number = 1 + max(found[item.id].key.number for item in tasks)
    key = AttemptKey(project.feature.name, tasks[0].id, number)
    spec = launcher.build_spec(project, context, key, tasks, known if from_checkpoint else None)
    return launcher.launch(project, context, spec, output)


def _in_conflict(project: Project, known: Attempt, task: str) -> frozenset[str]:
    """Return the tasks of a verified attempt that do not merge; raises ``task_done`` if it does."""
    if task in (project.published() or ()):
        raise UsageError(
            Code.TASK_DONE,
            f"{task} has succeeded in attempt {known.key}, and its box is ticked.",
            "`sdlc-runner plan` shows what is open.",
        )
    conflicts = merger.find_conflicts(project, [known])
    if task not in conflicts:
        raise UsageError(
            Code.TASK_DONE,
            f"{task} has succeeded in attempt {known.key}, and is not merged yet.",
            f"`sdlc-runner merge {task}`",
        )
    return frozenset(conflicts)


def _no_checkpoint(message: str, task: str) -> UsageError:
    return UsageError(
        Code.NO_CHECKPOINT, message, f"`sdlc-runner retry {task}` starts from the beginning."
    )


def _require_ended(known: Attempt, task: str, *, maybe_elsewhere: bool) -> None:
    if known.alive:
        raise UsageError(
            Code.ATTEMPT_ALIVE,
            f"Attempt {known.key} is running.",
            f"`sdlc-runner cancel {task}` first, or `sdlc-runner follow {task}`.",
        )
    if maybe_elsewhere:
        raise UsageError(
            Code.ATTEMPT_ALIVE,
            f"Attempt {known.key} may still run on the machine where it was started.",
            f"Cancel it there; if that machine is gone: `sdlc-runner retry {task} --force`.",
        )
