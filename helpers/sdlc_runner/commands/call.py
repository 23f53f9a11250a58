"""One call of a command: what its function is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlc_runner.config import loader
from sdlc_runner.events.types import WarningEvent
from sdlc_runner.git.repository import open_repo
from sdlc_runner.orchestrator.project import open_kubernetes, open_project, state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdlc_runner.cli.commands import Command
    from sdlc_runner.cli.parser import Arguments
    from sdlc_runner.git.managed_clone import Wanted
    from sdlc_runner.orchestrator.follower import FollowLimits
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.output.output import Output

_SHORTCUTS = {  # flags that are settings as well
    "max_parallel": "max_parallel",
    "parallel_stories": "parallel_stories",
    "backend": "backend",
    "namespace": "kubernetes.namespace",
    "context": "kubernetes.context",
    "pod_template": "kubernetes.template_file",
    "release": "kubernetes.release",
}


@dataclass(frozen=True)
class Call:
    """A command's arguments, where it prints, and what surrounds it."""

    args: Arguments
    output: Output
    environ: Mapping[str, str]
    home: Path
    commands: Mapping[str, Command]

    def open(self) -> Project:
        """Open the project around the call's directory."""
        return self._opened(self.directory, self.environ, self.flags)

    def open_elsewhere(self, wanted: Wanted) -> Project:
        """Open a branch that is not checked out here; its attempts push onto that very branch."""
        from sdlc_runner.git import managed_clone  # noqa: PLC0415 - only two commands need a clone

        folder = managed_clone.prepare(state_folder(self.environ, self.home), wanted)
        flags = {"branch.onto_feature": True, **self.flags}
        return self._opened(folder, self.environ, flags)

    def open_pod(self, pod: str) -> tuple[Project, Sequence[str]]:
        """Open the branch that the attempt in a pod works for; also returns its task."""
        from sdlc_runner.git import managed_clone  # noqa: PLC0415 - only two commands need a clone

        settings = loader.load(None, self.environ, self.home, self.flags).settings
        spec = open_kubernetes(settings, self.environ).spec_in(pod)
        wanted = managed_clone.Wanted(spec.origin or spec.remote, spec.feature_branch)
        folder = managed_clone.prepare(state_folder(self.environ, self.home), wanted)
        environ = {**self.environ, "SPECIFY_FEATURE_DIRECTORY": spec.feature_dir}
        flags = {**self.flags, "backend": "kubernetes"}
        return self._opened(folder, environ, flags), [spec.key.task]

    def _opened(
        self, folder: Path, environ: Mapping[str, str], flags: Mapping[str, Any]
    ) -> Project:
        """Open a project, and warn of what is outdated in its settings."""
        project = open_project(folder, environ, self.home, flags)
        for note in project.configuration.notes:
            self.output.emit(WarningEvent(code=note.code, message=note.message, hint=note.hint))
        return project

    @property
    def directory(self) -> Path:
        """Where it was called."""
        return Path(self.args.directory).resolve()

    @property
    def target(self) -> Path:
        """The repository that ``install`` and ``uninstall`` change."""
        return open_repo(self.directory / self.args.target.expanduser(), "origin")[0].root

    @property
    def flags(self) -> dict[str, Any]:
        """The settings that flags give."""
        given = ((key, getattr(self.args, name, None)) for name, key in _SHORTCUTS.items())
        texts = [f"{key}={value}" for key, value in given if value is not None]
        return loader.from_flags([*self.args.set, *texts])

    @property
    def limits(self) -> FollowLimits:
        """When to stop following."""
        from sdlc_runner.orchestrator.follower import FollowLimits  # noqa: PLC0415 - not for plan

        return FollowLimits(self.args.max_seconds, self.args.max_lines)
