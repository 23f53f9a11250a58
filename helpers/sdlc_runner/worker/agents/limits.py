"""The limits of one run of the agent, looked at many times a second."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner.events.types import Outcome
from sdlc_runner.worker.agents.agent_result import AgentVerdict

if TYPE_CHECKING:
    from threading import Event as Flag

    from sdlc_runner.config.settings import Limits
    from sdlc_runner.worker.agents.heartbeat import Heartbeat
    from sdlc_runner.worker.agents.opencode_events import Translator

_MOST_EMPTY_STEPS = 25


@dataclass(frozen=True)
class Watch:
    """Decides whether the agent may go on."""

    limits: Limits
    stop: Flag
    translator: Translator
    pulse: Heartbeat
    started: float = field(default_factory=time.monotonic)

    def check(self) -> AgentVerdict | None:
        """Return why the agent has to end now, or None; a heartbeat is sent if one is due."""
        self.pulse.beat(self.translator.last_tool)
        if self.stop.is_set():
            return AgentVerdict(Outcome.INTERRUPTED, "signal", "the attempt was told to stop")
        return self._over_time() or self._over_budget() or self._going_round()

    def _over_time(self) -> AgentVerdict | None:
        limits = self.limits
        if 0 < limits.run_seconds <= time.monotonic() - self.started:
            message = f"the agent ran for {limits.run_seconds:g} s, which is its limit"
            return AgentVerdict(Outcome.TIMED_OUT, "run_limit", message)
        if 0 < limits.idle_seconds <= self.pulse.idle:
            message = f"the agent gave no sign of life for {limits.idle_seconds:g} s"
            if self.translator.retried:
                message += f"; its model did not answer: {self.translator.retried}"
            return AgentVerdict(Outcome.IDLE, "idle_limit", message)
        return None

    def _going_round(self) -> AgentVerdict | None:
        # OpenCode asks again, for ever and several times a second, if an answer has no end.
        if self.translator.empty_steps < _MOST_EMPTY_STEPS:
            return None
        message = f"the model's last {_MOST_EMPTY_STEPS} answers had no end and called no tool"
        return AgentVerdict(Outcome.FAILED, "model_error", message)

    def _over_budget(self) -> AgentVerdict | None:
        if self.translator.finished:
            return None  # it has nothing more to do, so there is nothing more to save
        limits, usage = self.limits, self.translator.usage
        if 0 < limits.tokens < usage.tokens:
            message = f"the agent used {usage.tokens} tokens; its budget is {limits.tokens}"
            return AgentVerdict(Outcome.BUDGET_EXCEEDED, "token_budget", message)
        if 0 < limits.cost < usage.cost:
            message = f"the agent cost {usage.cost:.2f} US dollars; its budget is {limits.cost:g}"
            return AgentVerdict(Outcome.BUDGET_EXCEEDED, "cost_budget", message)
        return None
