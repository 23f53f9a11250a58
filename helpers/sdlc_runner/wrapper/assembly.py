"""Puts the parts of one attempt together, wherever it runs."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, NamedTuple

from sdlc_runner.errors import ExitCode
from sdlc_runner.events import Outcome
from sdlc_runner.wrapper.attempt_run import AttemptRun
from sdlc_runner.wrapper.budget import Budget
from sdlc_runner.wrapper.git_side.checkpoints import Checkpoints
from sdlc_runner.wrapper.git_side.delivery import Delivery
from sdlc_runner.wrapper.git_side.workspace import Workspace
from sdlc_runner.wrapper.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sdlc_runner.attempt import AttemptSpec
    from sdlc_runner.wrapper.agent_side.side import AgentSide
    from sdlc_runner.wrapper.git_side.credentials import Credentials
    from sdlc_runner.wrapper.mask import Masker
    from sdlc_runner.wrapper.stopping import Stop

TERMINATED = 143


class Place(NamedTuple):
    """Where an attempt keeps what it has, and what the start ref says of where that is."""

    journal: Path
    git_dir: Path
    work: Path
    where: str


def assemble(
    place: Place,
    spec: AttemptSpec,
    agent: AgentSide,
    masker: Masker,
    stop: Stop,
    is_cancelled: Callable[[], bool],
    credentials: Credentials,
    copy: IO[str] | None = None,
) -> AttemptRun:
    """Make the run of one attempt; ``copy`` gets every event line too."""
    journal = Journal(place.journal, spec.key, masker, copy)
    workspace = Workspace(place.git_dir, place.work, spec, credentials)
    delivery = Delivery(workspace, spec, place.where)
    return AttemptRun(
        workspace,
        delivery,
        Checkpoints(workspace, delivery, journal, masker),
        journal,
        masker,
        stop,
        agent,
        is_cancelled,
        Budget(spec.limits),
    )


def exit_code(outcome: Outcome) -> int:
    """Return the wrapper's own exit code for how the attempt ended."""
    if outcome in {Outcome.INTERRUPTED, Outcome.CANCELLED}:
        return TERMINATED
    return ExitCode.OK if outcome.is_success else ExitCode.TASK_FAILED
