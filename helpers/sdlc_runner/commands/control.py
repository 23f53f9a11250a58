"""``cancel``, ``retry``, ``verify`` and ``logs``: one attempt at a time."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, ExitCode, RunnerError, UsageError
from sdlc_runner.events.codec import AttemptKey, EventType
from sdlc_runner.events.log_reader import Reader
from sdlc_runner.orchestrator import launcher, registry
from sdlc_runner.orchestrator.follower import tell_outcome
from sdlc_runner.verify import evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output


_CANCEL_SECONDS = 60.0
_PAUSE = 0.05


def newest(project: Project, words: Sequence[str]) -> list[Attempt]:
    """Return the newest attempt of each named task; of all tasks where none is named."""
    found = registry.latest(registry.list_attempts(project)[1])
    wanted = [registry.require(found, task) for task in words]
    return list({item.key: item for item in (wanted if words else found.values())}.values())


def verify(project: Project, words: Sequence[str], output: Output) -> ExitCode:
    """Judge from the remote, whatever the attempt says; the backend is only asked what ended it."""
    good = True
    for known in newest(project, words):
        for verdict in known.decide(replace(known.ending, known=False, claim={}, exit_code=None)):
            tell_outcome(project, known, verdict, output)
            good = good and verdict.outcome.is_success
    return ExitCode.OK if good else ExitCode.TASK_FAILED


def cancel(project: Project, words: Sequence[str], output: Output) -> ExitCode:
    """Ask the named tasks' attempts to end, wait for it, and tell what the remote shows then."""
    alive = []
    for known in newest(project, words):
        if known.alive and known.status is not None:
            project.backend.cancel(known.status)
            alive.append(known)
        else:
            output.tell(
                EventType.WARNING,
                known.key,
                code="not_running",
                message="It is not running here, so there is nothing to cancel.",
                hint=f"`sdlc-runner verify {known.key.task}` tells how it ended.",
            )
    deadline = time.monotonic() + _CANCEL_SECONDS
    while any(_is_alive(project, known) for known in alive) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    _, endings = registry.refresh(project, alive)
    for ended in endings:
        for verdict in ended.decide():
            tell_outcome(project, ended, verdict, output)
    still = [str(known.key) for known in endings if known.alive]
    if still:
        output.note(f"Still ending, its work is being saved: {', '.join(still)}")
    return ExitCode.TIME_LIMIT if still else ExitCode.OK


def _is_alive(project: Project, known: Attempt) -> bool:
    return known.status is not None and project.backend.refresh(known.status).ending.alive


def retry(
    project: Project, task: str, output: Output, *, from_checkpoint: bool, force: bool
) -> Attempt:
    """Start the next attempt at what the newest one of a task left undone.

    ``force``: also beside one that may still run on another machine.
    """
    context = launcher.prepare(project)
    found = registry.latest(context.known)
    known = registry.require(found, task)
    task = registry.canonical(task, found)
    judged = known.decide()
    _require_over(known, task, maybe_elsewhere=not force and judged[0].code == "no_result")
    if not known.began and known.status is not None and not from_checkpoint:
        _, task_file = project.load_tasks()
        tasks = [item for item in task_file.tasks if item.id in known.tasks]
        return launcher.resume(project, context, known, tasks, output)
    if from_checkpoint and known.evidence.checkpoint is None:
        raise UsageError(
            Code.NO_CHECKPOINT,
            f"Attempt {known.key} left no checkpoint.",
            f"`sdlc-runner retry {task}` begins anew.",
        )
    undone = [item.task for item in judged if not item.outcome.is_success]
    if task not in undone:
        raise UsageError(
            Code.TASK_DONE, f"{task} has succeeded in attempt {known.key}.", "`sdlc-runner merge`."
        )
    _, task_file = project.load_tasks()
    tasks = [item for item in task_file.tasks if item.id in undone]
    if not tasks:
        raise UsageError(Code.UNKNOWN_TASK, f"{task} is not in tasks.md any more.")
    number = 1 + max(found[item.id].key.number for item in tasks)
    key = AttemptKey(project.feature.name, tasks[0].id, number)
    spec = launcher.build_spec(project, context, key, tasks, known if from_checkpoint else None)
    return launcher.launch(project, context, spec, output)


def _require_over(known: Attempt, task: str, *, maybe_elsewhere: bool) -> None:
    if known.alive:
        raise UsageError(
            Code.ATTEMPT_ALIVE,
            f"Attempt {known.key} is running.",
            f"`sdlc-runner cancel {task}` first, or `sdlc-runner follow {task}`.",
        )
    if maybe_elsewhere:
        raise UsageError(
            Code.ATTEMPT_ALIVE,
            f"Attempt {known.key} may still run on the machine where it began.",
            f"Cancel it there; if that machine is gone: `sdlc-runner retry {task} --force`.",
        )


def logs(project: Project, task: str, output: Output) -> ExitCode:
    """Print every event of a task's newest attempt, from here or from the transcript."""
    (known,) = newest(project, [task])
    reader = Reader(known.key)
    if known.status is not None:
        for data in project.backend.log(known.status):
            output.pass_on(reader.feed(data))
        output.pass_on(reader.finish())
    if known.status is None or reader.gaps:
        refs = registry.list_refs(project)
        transcript = refs.refs.get(known.evidence.refs.transcript)
        if transcript is None and known.status is None:
            raise RunnerError(
                Code.NO_TRANSCRIPT,
                f"The remote has no transcript of attempt {known.key}, and it did not run here.",
                "It pushes one at its end.",
            )
        if transcript is not None:
            output.pass_on(reader.refill(evidence.read_events(project.repo, transcript)))
    return ExitCode.OK
