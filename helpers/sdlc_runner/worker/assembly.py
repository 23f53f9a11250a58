"""Puts the parts of one attempt together, wherever it runs."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, NamedTuple

from sdlc_runner.errors import ExitCode
from sdlc_runner.events.types import Outcome
from sdlc_runner.worker.attempt import AttemptRun, Budget
from sdlc_runner.worker.git.checkpoints import Checkpoints
from sdlc_runner.worker.git.push import Pusher
from sdlc_runner.worker.git.workspace import Workspace
from sdlc_runner.worker.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.worker.agents.base import Agent
    from sdlc_runner.worker.git.credentials import Credentials
    from sdlc_runner.worker.masking import Masker
    from sdlc_runner.worker.shutdown import Stop

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
    agent: Agent,
    masker: Masker,
    stop: Stop,
    is_cancelled: Callable[[], bool],
    credentials: Credentials,
    copy: IO[str] | None = None,
) -> AttemptRun:
    """Make the run of one attempt; ``copy`` gets every event line too."""
    journal = Journal(place.journal, spec.key, masker, copy)
    workspace = Workspace(place.git_dir, place.work, spec, credentials)
    delivery = Pusher(workspace, spec, place.where)
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
    """Return the worker's own exit code for how the attempt ended."""
    if outcome in {Outcome.INTERRUPTED, Outcome.CANCELLED}:
        return TERMINATED
    return ExitCode.OK if outcome.is_success else ExitCode.TASK_FAILED
