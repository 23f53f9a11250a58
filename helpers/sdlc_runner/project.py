"""The project around the current folder: repository, settings, feature, tasks, backend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlc_runner import config, feature, ticks
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.repo import Repo, open_repo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.backends import Backend
    from sdlc_runner.config import Configuration, Settings
    from sdlc_runner.feature import Feature
    from sdlc_runner.tasks import TaskFile

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Project:
    """Everything a verb starts from; what costs a look at git is found when first asked for."""

    repo: Repo
    configuration: Configuration
    environ: Mapping[str, str]
    home: Path

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.configuration.settings

    @cached_property
    def url(self) -> str:
        """Where the remote is."""
        return self.repo.url

    @cached_property
    def branch(self) -> str:
        """The feature branch: the one that is checked out."""
        return self.repo.branch

    @cached_property
    def feature(self) -> Feature:
        """The feature, found as spec-kit finds it."""
        head = self.repo.git.try_run("symbolic-ref", "--quiet", "--short", "HEAD")
        found = feature.find(self.repo.root, self.environ, head.text if head.ok else None)
        if _CONTROL.search(found.relative):
            raise UsageError(
                Code.NO_FEATURE, "The feature directory's name has control characters."
            )
        return found

    @cached_property
    def tasks_path(self) -> str:
        """The path of tasks.md in the repository."""
        return f"{self.feature.relative}/tasks.md"

    def load_tasks(self) -> tuple[bytes, TaskFile]:
        """Read tasks.md as it is now in the working copy."""
        return feature.load_tasks(self.feature)

    def published(self) -> frozenset[str] | None:
        """Return the ids ticked in the remote's feature branch as last fetched; None: no branch."""
        commit = self.repo.resolve(self.repo.tracking)
        if commit is None:
            return None
        return ticks.ticked(self.repo.read(commit, self.tasks_path) or b"")

    @cached_property
    def state(self) -> Path:
        """The folder for local attempts and for merging."""
        base = self.environ.get("XDG_STATE_HOME")
        return (Path(base) if base else self.home / ".local" / "state") / "sdlc-runner"

    @cached_property
    def backend(self) -> Backend:
        """Where attempts run."""
        from sdlc_runner.backends.local import LocalBackend  # noqa: PLC0415 - plan needs none

        return LocalBackend(self.state, self.environ)


def open_project(
    start: Path, environ: Mapping[str, str], home: Path, flags: Mapping[str, Any]
) -> Project:
    """Open the project around a folder; raises ``no_repository`` or ``bad_config``."""
    found = open_repo(start, "origin")
    configuration = config.load(found.root, environ, home, flags)
    return Project(Repo(found.root, configuration.settings.remote), configuration, environ, home)
