"""The plan of a project: its tasks.md, the scope that was asked for, and what is published."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.events.types import ErrorEvent
from sdlc_runner.plan import planner
from sdlc_runner.tasks import mentions
from sdlc_runner.tasks.parser import Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.output.output import Output
    from sdlc_runner.plan.planner import Plan
    from sdlc_runner.tasks.parser import TaskFile


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
    made = planner.build(
        task_file,
        scope=wanted,
        published=published,
        unpublished=unpublished(project, task_file, published),
        failed=request.failed,
        parallel_stories=project.settings.parallel_stories,
        bundle_small=project.settings.batch.size if request.bundle else 0,
    )
    return made, task_file


def _scope(words: Sequence[str], task_file: TaskFile) -> frozenset[str]:
    from sdlc_runner.tasks import scope  # noqa: PLC0415 - not needed for a plan of everything

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
        or any(mentions.overlaps(name, path) for name in task.files for path in changed)
    )


def _unpushed_files(project: Project) -> tuple[str, ...]:
    """Return the files that were changed here and are not in the remote's feature branch."""
    repo = project.repo
    ahead = repo.git.try_run("diff", "--name-only", "-z", f"{project.tracking}...HEAD").text
    names = {*ahead.split("\0"), *repo.dirty_files()} - {"", project.tasks_path}
    return tuple(sorted(names))


def emit_problems(made: Plan, output: Output) -> None:
    """Say what is wrong with tasks.md; the rest of the plan is usable."""
    for problem in made.problems:
        output.emit(ErrorEvent(code=problem.code.value, message=problem.message, line=problem.line))
