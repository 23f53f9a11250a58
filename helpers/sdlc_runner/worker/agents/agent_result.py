"""How one run of the agent ended, and what helps against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.events.types import Outcome
from sdlc_runner.worker.agents.opencode_events import Usage

if TYPE_CHECKING:
    from sdlc_runner.worker.agents.opencode_events import Translator

FINISHED = "agent_finished"
_HINTS = {
    "agent_not_found": "install OpenCode (npm i -g opencode-ai@1.18.33) or set agent.command",
    "permission_rejected": "let OpenCode's permissions allow or deny; nobody answers an ask",
    "agent_incomplete": "read the log; sdlc-runner retry TASK tries again",
    "run_limit": "raise limits.run_seconds, or make the task smaller",
    "idle_limit": "raise limits.idle_seconds if the agent's commands are silent for that long",
    "token_budget": "raise limits.tokens, or make the task smaller",
    "cost_budget": "raise limits.cost, or make the task smaller",
    "model_refused": "check the model's key and name",
    "model_rate_limited": "lower --max-parallel, then sdlc-runner retry TASK",
    "model_unreachable": "check the model's address, and for pods the chart's networkPolicy.model",
    "agent_server_died": "read the agent container's log; it may need more memory",
    "agent_server_hung": "read the agent container's log; it may need more CPU or memory",
    "agent_server_refused": "read the agent container's log",
}


class AgentVerdict(NamedTuple):
    """Why an agent ended, or has to."""

    status: Outcome
    code: str
    message: str


DONE = AgentVerdict(Outcome.SUCCEEDED, FINISHED, "the agent finished")
REJECTED = AgentVerdict(
    Outcome.FAILED,
    "permission_rejected",
    "OpenCode asked for a permission, which nobody could give, and stopped",
)


@dataclass(frozen=True)
class AgentResult:
    """How one run of the agent ended: its claim, which the git side has yet to make true."""

    status: Outcome
    code: str
    message: str
    exit_code: int | None = None
    usage: Usage = field(default_factory=Usage)
    last_message: str = ""

    @property
    def ok(self) -> bool:
        """Whether the agent did what it was asked, as far as it can tell itself."""
        return self.status is Outcome.SUCCEEDED

    @property
    def hint(self) -> str:
        """Return what to do about it, if anything is known to help."""
        return _HINTS.get(self.code, "")

    @classmethod
    def of(
        cls, verdict: AgentVerdict, translator: Translator, exit_code: int | None = None
    ) -> AgentResult:
        """Make it of a verdict and of what was heard."""
        return cls(*verdict, exit_code, translator.usage, translator.last_message)


def decide(translator: Translator) -> AgentVerdict | None:
    """Return what OpenCode told that is no success; it ended by itself, which alone proves nothing.

    None if all it told is well.
    """
    if translator.error is not None:
        error = translator.error
        if error.code == "agent_aborted":
            return AgentVerdict(Outcome.FAILED, error.code, "somebody aborted the agent's session")
        return AgentVerdict(Outcome.FAILED, error.code, f"the model failed: {error.message}")
    if translator.rejected:
        return REJECTED
    return None


def unfinished(translator: Translator) -> AgentVerdict | None:
    """Return that the model's last step was not its end; None if it was."""
    if translator.finished:
        return None
    message = f"the model stopped before it was done ({translator.reason or 'no last step'})"
    return AgentVerdict(Outcome.FAILED, "agent_incomplete", message)
