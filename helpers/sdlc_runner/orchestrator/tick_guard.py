"""Boxes of [ASYNC] tasks that were ticked here, though no agent has finished them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.orchestrator import registry
from sdlc_runner.tasks.parser import Mode

if TYPE_CHECKING:
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.tasks.parser import Task


def refuse(project: Project) -> None:
    """Refuse them: a task that is ticked without being done is left out for good.

    One whose agent failed may have been done here in its place.
    """
    if not (project.feature.directory / "tasks.md").is_file() or not _new(project):
        return
    project.repo.fetch_feature(project.branch)  # others may have merged them meanwhile
    newest = registry.latest(registry.list_attempts(project)[1])
    for task in _new(project):
        if task.id not in newest or newest[task.id].alive:
            raise UsageError(
                Code.TICKED_BY_HAND,
                f"{task.id} (line {task.line}) is [ASYNC] and ticked here, and no agent has come to"
                " an end with it.",
                "Open its box again; if it was done here, mark it [SYNC].",
                line=task.line,
            )


def _new(project: Project) -> list[Task]:
    """Return the [ASYNC] tasks that are ticked here and, as last fetched, not on the remote."""
    read = project.load_tasks()
    published = project.published(read)
    if published is None:  # an unpublished branch: it may have a past of its own
        return []
    return [
        task
        for task in read[1].tasks
        if task.done and task.mode is Mode.ASYNC and task.id not in published
    ]
