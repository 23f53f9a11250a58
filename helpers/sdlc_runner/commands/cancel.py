"""``cancel``: stops attempts and reports how they ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sdlc_runner.errors import ExitCode
from sdlc_runner.events.types import WarningEvent
from sdlc_runner.orchestrator import registry
from sdlc_runner.orchestrator.follower import emit_outcome

if TYPE_CHECKING:
    from sdlc_runner.commands.call import Call
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt


_CANCEL_SECONDS = 60.0
_PAUSE = 0.05


def run(call: Call) -> ExitCode:
    """Ask the named tasks' attempts to end, wait for that, and print what the remote shows then."""
    project, output = call.open(), call.output
    alive = []
    for known in registry.newest(project, call.args.tasks):
        if known.alive and known.status is not None:
            project.backend.cancel(known.status)
            alive.append(known)
        else:
            output.emit(
                WarningEvent(
                    code="not_running",
                    message="It is not running here, so there is nothing to cancel.",
                    hint=f"`sdlc-runner verify {known.key.task}` shows how it ended.",
                ),
                known.key,
            )
    deadline = time.monotonic() + _CANCEL_SECONDS
    while any(_is_alive(project, known) for known in alive) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    _, endings = registry.refresh(project, alive)
    for ended in endings:
        for verdict in ended.decide():
            emit_outcome(project, ended, verdict, output)
    still = [str(known.key) for known in endings if known.alive]
    if still:
        output.note(f"Still stopping; unfinished work is being saved: {', '.join(still)}")
    return ExitCode.TIME_LIMIT if still else ExitCode.OK


def _is_alive(project: Project, known: Attempt) -> bool:
    return known.status is not None and project.backend.refresh(known.status).ending.alive
