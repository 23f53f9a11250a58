"""Where the agent and what it wrote are run: as our child, or by a server in another container."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from sdlc_runner import process
from sdlc_runner.worker.agents import subprocess_run, verify_commands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path
    from threading import Event as Flag

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.config.settings import Limits
    from sdlc_runner.worker.agents.agent_result import AgentResult
    from sdlc_runner.worker.agents.heartbeat import Emit
    from sdlc_runner.worker.masking import Masker


class Agent(Protocol):
    """All that the git side asks of the agent's side."""

    def get_ready(self) -> None:
        """Wait until an agent could begin; raises ``RunnerError`` if none can."""

    def turn(self) -> AbstractContextManager[None]:
        """Return a block at whose end nothing runs any more that the agent has started in it."""

    def run(self, limits: Limits, prompt: str, emit: Emit) -> AgentResult:
        """Run the agent once, on one prompt, to its end, to a limit, or until told to stop."""

    def verify(self, emit: Emit) -> list[dict[str, Any]]:
        """Run all verify commands; one record each: command, exit, output.

        The exit is 124 for a command that did not end, or not begin, in time, and 130 when stopped.
        """


@dataclass(frozen=True)
class DirectAgent:
    """The agent as a child process of ours."""

    spec: AttemptSpec
    work: Path
    environ: Mapping[str, str]
    stop: Flag
    masker: Masker

    def get_ready(self) -> None:
        """Do nothing: whether it can be started shows when it is."""

    def turn(self) -> AbstractContextManager[None]:
        """End servers, watchers: whatever the agent left running."""
        return process.without_strays()

    def run(self, limits: Limits, prompt: str, emit: Emit) -> AgentResult:
        """Start the agent, and follow it."""
        spec = replace(self.spec, limits=limits)
        return subprocess_run.run(
            spec, prompt, self.work, self.environ, emit, self.stop, self.masker
        )

    def verify(self, emit: Emit) -> list[dict[str, Any]]:
        """Run the commands as children of ours."""
        return verify_commands.collect(
            self.spec, self.work, self.environ, emit, self.stop, self.masker
        )
