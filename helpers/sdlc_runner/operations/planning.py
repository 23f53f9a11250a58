"""``plan``: what would run, in which order, and why the rest would not. Touches nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.errors import ExitCode
from sdlc_runner.events import AttemptKey, EventType, client_event
from sdlc_runner.planning import plan
from sdlc_runner.reading import files
from sdlc_runner.reading.tasks import Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.events import Event
    from sdlc_runner.output import Output
    from sdlc_runner.planning.plan import Plan, PlanItem
    from sdlc_runner.project import Project
    from sdlc_runner.reading.tasks import TaskFile


_NAMED = 12  # of the tasks that one waits for; a barrier may be hundreds


class Request(NamedTuple):
    """What the user asked for: a scope in their words, small tasks bundled, what failed before."""

    words: tuple[str, ...] = ()
    bundle: bool = False
    failed: frozenset[str] = frozenset()


def make(project: Project, request: Request) -> tuple[Plan, TaskFile]:
    """Plan the feature as it is now in the working copy and in the last fetch."""
    read = project.load_tasks()
    task_file = read[1]
    wanted = _scope(request.words, task_file) if request.words else None
    published = project.published(read)
    made = plan.build(
        task_file,
        scope=wanted,
        published=published,
        unpublished=unpublished(project, task_file, published),
        failed=request.failed,
        parallel_stories=project.settings.parallel_stories,
        bundle_small=project.settings.bundle_size if request.bundle else 0,
    )
    return made, task_file


def _scope(words: Sequence[str], task_file: TaskFile) -> frozenset[str]:
    from sdlc_runner.reading import scope  # noqa: PLC0415 - not needed for a plan of everything

    return scope.parse(words, task_file).ids


def named(words: Sequence[str], task_file: TaskFile) -> tuple[str, ...]:
    """Return the ids that the words name, in the order of tasks.md."""
    ids = _scope(words, task_file)
    return tuple(task.id for task in task_file.tasks if task.id in ids)


def unpublished(
    project: Project, task_file: TaskFile, published: frozenset[str] | None
) -> frozenset[str]:
    """Return the SYNC tasks that are done here, but whose work the remote does not have."""
    done = [task for task in task_file.tasks if task.done and task.mode is Mode.SYNC]
    if published is None or not done:
        return frozenset(task.id for task in done)
    changed = _unpushed_files(project)
    return frozenset(
        task.id
        for task in done
        if task.id not in published
        or any(files.overlaps(name, path) for name in task.files for path in changed)
    )


def _unpushed_files(project: Project) -> tuple[str, ...]:
    """Return the files that were changed here and are not in the remote's feature branch."""
    repo = project.repo
    ahead = repo.git.try_run("diff", "--name-only", "-z", f"{project.tracking}...HEAD").text
    names = {*ahead.split("\0"), *repo.dirty_files()} - {"", project.tasks_path}
    return tuple(sorted(names))


def tell_problems(made: Plan, output: Output) -> None:
    """Say what is wrong with tasks.md; the rest of the plan is usable."""
    for problem in made.problems:
        output.tell(
            EventType.ERROR, code=problem.code.value, message=problem.message, line=problem.line
        )


def show(project: Project, words: Sequence[str], output: Output, *, bundle: bool) -> ExitCode:
    """Print the plan: one ``planned`` event a task, an ``error`` for each problem, a summary."""
    made, task_file = make(project, Request(tuple(words), bundle))
    tell_problems(made, output)
    output.emit(*(_planned(project, item, task_file) for item in made.items))
    return _summarize(made, output)


def _planned(project: Project, item: PlanItem, task_file: TaskFile) -> Event:
    task = item.task
    return client_event(
        EventType.PLANNED,
        AttemptKey(project.feature.name, task.id, 0),
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
    )


def _summarize(made: Plan, output: Output) -> ExitCode:
    counts = Counter(item.disposition.value for item in made.items)
    attempts, waves = sum(map(len, made.waves)), len(made.waves)
    parts = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    code = ExitCode.USAGE if made.problems else ExitCode.OK
    output.tell(
        EventType.SUMMARY,
        verb="plan",
        verdict=f"{len(made.items)} tasks: {parts}. {attempts} attempts in {waves} waves.",
        ok=code is ExitCode.OK,
        exit=int(code),
        counts=dict(counts),
        next="sdlc-runner run" if attempts else None,
    )
    return code
