"""The project around the current folder: repository, settings, feature, tasks, backend."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlc_runner.config import loader
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.git.repository import Repo, open_repo
from sdlc_runner.tasks import checkboxes, feature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.backends.base import Backend
    from sdlc_runner.backends.kubernetes.backend import KubernetesBackend
    from sdlc_runner.config.loader import Configuration
    from sdlc_runner.config.settings import Settings
    from sdlc_runner.tasks.feature import Feature
    from sdlc_runner.tasks.parser import TaskFile

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Project:
    """Everything a verb starts from; what costs a look at git is found when first asked for."""

    def __init__(
        self,
        repo: Repo,
        configuration: Configuration,
        environ: Mapping[str, str],
        home: Path,
        head: str | None,
    ) -> None:
        """Begin with what opening the repository showed; ``head`` is its branch, if it has one."""
        self.repo = repo
        self.configuration = configuration
        self.environ = environ
        self.home = home
        self._head = head

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.configuration.settings

    @cached_property
    def url(self) -> str:
        """Where the remote takes pushes: what attempts clone from and push to."""
        return self.repo.url

    def require_remote(self) -> None:
        """Raise ``no_remote`` where git would speak of a remote that cannot be reached."""
        _ = self.url

    @cached_property
    def head(self) -> str | None:
        """The branch that is checked out, if there is one; ``branch`` insists."""
        return self._head or self.repo.head

    @cached_property
    def branch(self) -> str:
        """The feature branch: the one that is checked out."""
        return self.repo.branch

    @property
    def tracking(self) -> str:
        """The feature branch as last fetched, whatever is checked out by now."""
        return self.repo.tracking(self.head or self.branch)

    @cached_property
    def feature(self) -> Feature:
        """The feature, found as spec-kit finds it."""
        found = feature.find(self.repo.root, self.environ, self.head)
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

    def published(self, read: tuple[bytes, TaskFile] | None = None) -> frozenset[str] | None:
        """Return the ids ticked in the remote's feature branch as last fetched; None: no branch.

        ``read`` is the working copy's tasks.md: often the same, and then not parsed again.
        """
        data = self.repo.read(self.tracking, self.tasks_path)
        if data is None:
            return None if self.repo.resolve(self.tracking) is None else frozenset()
        if read is not None and data == read[0]:
            return checkboxes.ticked_in(read[1])
        return checkboxes.ticked(data)

    @cached_property
    def state(self) -> Path:
        """The folder for local attempts and for merging."""
        return state_folder(self.environ, self.home)

    @property
    def uses_cluster(self) -> bool:
        """Whether attempts run in a cluster, which needs the packages to talk to it."""
        return self.settings.backend == "kubernetes"

    @cached_property
    def backend(self) -> Backend:
        """Where attempts run."""
        if self.uses_cluster:
            return open_kubernetes(self.settings, self.environ)
        from sdlc_runner.backends.local import LocalBackend  # noqa: PLC0415 - plan needs none

        return LocalBackend(self.state, self.environ)


def state_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Return the user's own folder for what the runner keeps on this machine."""
    base = environ.get("XDG_STATE_HOME")
    return (Path(base) if base else home / ".local" / "state") / "sdlc-runner"


def open_kubernetes(settings: Settings, environ: Mapping[str, str]) -> KubernetesBackend:
    """Open the cluster's backend; its packages are only needed where a cluster is used."""
    try:
        from sdlc_runner.backends.kubernetes import backend as kubernetes_backend  # noqa: PLC0415 - its import takes long
    except ModuleNotFoundError as error:
        raise UsageError(
            Code.NO_CLUSTER,
            f"The Python package {error.name} is not installed here.",
            "Install it: `pip install kubernetes pyyaml`; `uv run` installs it automatically.",
        ) from None
    return kubernetes_backend.open_backend(settings, environ)


def open_project(
    start: Path, environ: Mapping[str, str], home: Path, flags: Mapping[str, Any]
) -> Project:
    """Open the project around a folder; raises ``no_repository`` or ``bad_config``."""
    found, head = open_repo(start, "origin")
    configuration = loader.load(found.root, environ, home, flags)
    repo = Repo(found.root, configuration.settings.remote)
    return Project(repo, configuration, environ, home, head)
