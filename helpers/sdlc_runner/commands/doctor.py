"""``doctor``: checks the setup step by step, and prints how to fix what fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.doctor import bundle, machine, repository
from sdlc_runner.doctor.check_result import CheckResult
from sdlc_runner.errors import ExitCode, RunnerError
from sdlc_runner.events.types import CheckEvent, SummaryEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdlc_runner.commands.call import Call
    from sdlc_runner.doctor.check_result import Link
    from sdlc_runner.orchestrator.project import Project


def run(call: Call) -> ExitCode:
    """Make every check, each as far as those before it allow."""
    worst, output = ExitCode.OK, call.output
    for name, check in _links(call):
        try:
            found = check()
        except RunnerError as error:
            worst = max(worst, error.exit_code, ExitCode.TASK_FAILED)
            output.emit(
                CheckEvent(
                    name=name,
                    ok=False,
                    message=error.message,
                    hint=error.hint or None,
                    code=error.code.value,
                )
            )
        else:
            finding = CheckResult(found) if isinstance(found, str) else found
            output.emit(
                CheckEvent(name=name, ok=True, message=finding.message, hint=finding.hint or None)
            )
    verdict = (
        "All checks passed."
        if worst is ExitCode.OK
        else "Fix the failed checks, then run `sdlc-runner doctor` again."
    )
    output.emit(
        SummaryEvent(verb="doctor", verdict=verdict, ok=worst is ExitCode.OK, exit=int(worst))
    )
    return worst


def _links(call: Call) -> Iterator[Link]:
    yield "python", machine.python
    yield "git", machine.git
    opened: list[Project] = []

    def open_it() -> str:
        opened.append(call.open())
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
    if found.uses_cluster:
        from sdlc_runner.doctor import cluster  # noqa: PLC0415 - its import takes long

        yield from cluster.links(found)
        yield "opencode", machine.opencode
    else:
        yield "agent", lambda: machine.agent(found)
        yield "consent", lambda: repository.consented(found)
    yield "state", lambda: machine.state(found)
