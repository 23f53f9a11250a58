"""The protocol between the worker and an agent, and the words both use.

The worker never asks which agent it has. An agent has a *place*, where its programs run (child
processes of the worker, or another container behind a server), and a *language*, in which it is
given a prompt and reports what it does. A new agent is a module beside this one and a line in
``factory``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sdlc_runner.events.types import EventBody, Outcome, UsageEvent

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sdlc_runner.config.settings import Limits

Emit = Callable[[EventBody], None]
OnLine = Callable[[str, str], None]
"""Called with the stream's name (``stdout`` or ``stderr``) and one masked line."""
OnTick = Callable[[], None]
"""Called many times a second while something is waited for."""

FINISHED = "agent_finished"
STOPPED = 130
"""The exit code of a command that was ended because the attempt has to stop."""
NEVER_RAN = 125
"""The exit code of a command that the agent's side did not run."""
_HINTS = {
    "agent_not_found": "install OpenCode (npm i -g opencode-ai@1.18.33) or set agent.command",
    "permission_rejected": "let OpenCode's permissions allow or deny; no one can answer an ask",
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


@dataclass(frozen=True)
class Usage:
    """What an attempt has used so far; output includes reasoning."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_tokens: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """What counts against the token budget: cached input is all but free, and does not."""
        return self.input_tokens + self.output_tokens

    def plus(self, other: Usage) -> Usage:
        """Add two uses."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_tokens + other.cache_tokens,
            round(self.cost + other.cost, 9),
        )

    def to_event(self) -> UsageEvent:
        """Return it as an event."""
        return UsageEvent(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_tokens=self.cache_tokens,
            cost=self.cost,
        )

    @classmethod
    def of_event(cls, event: UsageEvent) -> Usage:
        """Read it back from an event."""
        return cls(
            event.input_tokens, event.output_tokens, event.cache_tokens or 0, event.cost or 0.0
        )


class Progress(Protocol):
    """What an agent has reported so far."""

    usage: Usage
    last_message: str
    last_tool: str
    retried: str
    """Why the model is being asked again; empty while it answers."""
    empty_steps: int
    """Answers in a row that had no end and called no tool."""

    @property
    def finished(self) -> bool:
        """Whether the model has nothing more to do."""


class AgentVerdict(NamedTuple):
    """Why an agent ended, or has to."""

    status: Outcome
    code: str
    message: str


DONE = AgentVerdict(Outcome.SUCCEEDED, FINISHED, "the agent finished")


@dataclass(frozen=True)
class AgentResult:
    """How one run of the agent ended: a claim; what it delivered shows on the git side."""

    status: Outcome
    code: str
    message: str
    exit_code: int | None = None
    usage: Usage = field(default_factory=Usage)
    last_message: str = ""

    @property
    def ok(self) -> bool:
        """Whether the agent says that it did what it was asked."""
        return self.status is Outcome.SUCCEEDED

    @property
    def hint(self) -> str:
        """Return what to do about it, if anything is known to help."""
        return _HINTS.get(self.code, "")

    @classmethod
    def of(
        cls, verdict: AgentVerdict, progress: Progress, exit_code: int | None = None
    ) -> AgentResult:
        """Combine why the agent ended with what it reported until then."""
        return cls(*verdict, exit_code, progress.usage, progress.last_message)


class Agent(Protocol):
    """All that the worker asks of an agent."""

    def prepare(self) -> None:
        """Wait until the agent could begin; raises ``RunnerError`` if it cannot."""

    def turn(self) -> AbstractContextManager[None]:
        """Return a block at whose end nothing runs any more that was started in it."""

    def run(self, limits: Limits, prompt: str, emit: Emit) -> AgentResult:
        """Run the agent once, on one prompt, to its end, to a limit, or until asked to stop."""

    def shell(self, command: str, seconds: float, on_line: OnLine, on_tick: OnTick) -> int:
        """Run a shell command where the agent runs, for at most so many seconds (may be inf).

        Returns its exit code; 124 if it did not end in time, 125 if it never ran, 130 if the
        attempt has to stop. Raises ``RunnerError`` when that place is gone.
        """
