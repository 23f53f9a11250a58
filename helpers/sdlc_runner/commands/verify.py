"""``verify``: decides from the remote how attempts ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sdlc_runner.errors import ExitCode
from sdlc_runner.orchestrator import registry
from sdlc_runner.orchestrator.follower import emit_outcome

if TYPE_CHECKING:
    from sdlc_runner.commands.call import Call


def run(call: Call) -> ExitCode:
    """Decide without what the attempts report; the backend is only asked what ended them."""
    project, good = call.open(), True
    for known in registry.newest(project, call.args.tasks):
        for verdict in known.decide(replace(known.ending, known=False, claim={}, exit_code=None)):
            emit_outcome(project, known, verdict, call.output)
            good = good and verdict.outcome.is_success
    return ExitCode.OK if good else ExitCode.TASK_FAILED
