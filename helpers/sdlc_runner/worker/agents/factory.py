"""Which agent an attempt has: the only place that knows all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.worker.agents.command import CommandAgent
from sdlc_runner.worker.agents.opencode import OpenCodeAgent
from sdlc_runner.worker.preflight import NOWHERE, Preflight

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from threading import Event as Flag

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.worker.agents.base import Agent
    from sdlc_runner.worker.masking import Masker


def local_agent(
    spec: AttemptSpec,
    work: Path,
    environ: Mapping[str, str],
    stop: Flag,
    masker: Masker,
    preflight: Preflight = NOWHERE,
) -> Agent:
    """Return the agent that runs as a child process of the worker."""
    if spec.agent.command:
        return CommandAgent(spec, work, environ, stop, masker)
    return OpenCodeAgent(spec, work, environ, stop, masker, preflight)
