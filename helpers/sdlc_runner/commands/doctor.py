"""``doctor``: proves the chain link by link, and says how to mend each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner.doctor import bundle, machine, repository
from sdlc_runner.doctor.check_result import CheckResult
from sdlc_runner.errors import ExitCode, RunnerError
from sdlc_runner.events.codec import EventType
from sdlc_runner.orchestrator import project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from sdlc_runner.doctor.check_result import Link
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.output.output import Output


@dataclass(frozen=True)
class Surroundings:
    """Where doctor looks, before it is known whether there is a project at all."""

    start: Path
    environ: Mapping[str, str]
    home: Path
    flags: Mapping[str, Any]


def examine(around: Surroundings, output: Output) -> ExitCode:
    """Make every check, each as far as those before it allow."""
    worst = ExitCode.OK
    for name, check in _links(around):
        try:
            found = check()
        except RunnerError as error:
            worst = max(worst, error.exit_code, ExitCode.TASK_FAILED)
            output.tell(
                EventType.CHECK,
                name=name,
                ok=False,
                message=error.message,
                hint=error.hint or None,
                code=error.code.value,
            )
        else:
            finding = CheckResult(found) if isinstance(found, str) else found
            output.tell(
                EventType.CHECK,
                name=name,
                ok=True,
                message=finding.message,
                hint=finding.hint or None,
            )
    verdict = "Every link holds." if worst is ExitCode.OK else "Mend what is BAD, then ask again."
    output.tell(
        EventType.SUMMARY, verb="doctor", verdict=verdict, ok=worst is ExitCode.OK, exit=int(worst)
    )
    return worst


def _links(around: Surroundings) -> Iterator[Link]:
    yield "python", machine.python
    yield "git", machine.git
    opened: list[Project] = []

    def open_it() -> str:
        opened.append(project.open_project(around.start, around.environ, around.home, around.flags))
        return f"{opened[0].repo.root}, settings read"

    yield "repository", open_it
    if opened:
        yield from _of_project(opened[0])


def _of_project(found: Project) -> Iterator[Link]:
    yield "branch", lambda: f"on {found.branch}"
    yield "identity", lambda: repository.identity(found)
    yield "feature", lambda: repository.feature(found)
    if bundle.is_installed(found.repo.root):
        yield "bundle", lambda: bundle.whole(found.repo.root)
    yield "remote", lambda: repository.remote(found)
    yield "published", lambda: repository.published(found)
    if found.settings.backend == "kubernetes":
        from sdlc_runner.doctor import cluster  # noqa: PLC0415 - its import takes long

        yield from cluster.links(found)
        yield "opencode", machine.opencode
    else:
        yield "agent", lambda: machine.agent(found)
        yield "consent", lambda: repository.consented(found)
    yield "state", lambda: machine.state(found)
