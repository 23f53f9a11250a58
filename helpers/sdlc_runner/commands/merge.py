"""``merge``: puts verified work into the feature branch and ticks its boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.orchestrator import merger

if TYPE_CHECKING:
    from sdlc_runner.commands.call import Call
    from sdlc_runner.errors import ExitCode


def run(call: Call) -> ExitCode:
    """Merge the named tasks, or everything that is verified."""
    return merger.merge(call.open(), call.args.tasks, call.output)
