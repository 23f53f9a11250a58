"""``run``: takes the whole feature as far as agents can, wave after wave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.orchestrator import planning, runner

if TYPE_CHECKING:
    from sdlc_runner.commands.call import Call
    from sdlc_runner.errors import ExitCode


def run(call: Call) -> ExitCode:
    """Plan, start, follow, verify, merge and tick the scope that was given."""
    request = planning.Request(tuple(call.args.scope), call.args.batch)
    return runner.run(call.open(), request, call.output)
