"""Any program as the agent: prompt on stdin, work in the current folder, exit code.

A program that prints the JSON lines of ``opencode run --format json`` is understood as well, so
that its tokens and tools count.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner.events.types import Outcome
from sdlc_runner.worker.agents.base import DONE, AgentResult, AgentVerdict
from sdlc_runner.worker.agents.local import LocalPlace

if TYPE_CHECKING:
    from sdlc_runner.config.settings import Limits
    from sdlc_runner.worker.agents.base import Emit


@dataclass(frozen=True)
class CommandAgent(LocalPlace):
    """The setting ``agent.command`` as a child process."""

    def prepare(self) -> None:
        """Do nothing: whether it can be started shows when it is."""

    def run(self, limits: Limits, prompt: str, emit: Emit) -> AgentResult:
        """Run the program once; exit code 0 says that it did what it was asked."""
        ended = self.follow_agent(self.spec.agent.command, limits, prompt, emit)
        if isinstance(ended, AgentResult):
            return ended
        cause, translator, code = ended
        return AgentResult.of(cause or exit_failure(code) or DONE, translator, code)


def exit_failure(code: int) -> AgentVerdict | None:
    """Return what the exit code of an agent's program says is wrong; None for 0."""
    if code == 0:
        return None
    text = f"the agent ended with {_exit(code)}"
    return AgentVerdict(Outcome.FAILED, "agent_failed", text)


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
