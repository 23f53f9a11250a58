"""Signs of life and limits of one run of the agent, looked at many times a second."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner.events.codec import now
from sdlc_runner.events.types import HeartbeatEvent, Outcome
from sdlc_runner.worker.agents.base import AgentVerdict

if TYPE_CHECKING:
    from threading import Event as Flag

    from sdlc_runner.config.settings import Limits
    from sdlc_runner.worker.agents.base import Emit, Progress

_MOST_EMPTY_STEPS = 25


class Heartbeat:
    """Emits a ``heartbeat`` for every ``seconds`` of silence; 0 for none."""

    def __init__(self, seconds: float, emit: Emit) -> None:
        self._seconds = seconds
        self._emit = emit
        self.alive()

    def alive(self) -> None:
        """Note a sign of life."""
        self._since = now()
        self._last = time.monotonic()
        self._next = self._last + self._seconds

    @property
    def idle(self) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - self._last

    def beat(self, last_tool: str = "") -> None:
        """Emit a heartbeat if one is due."""
        if not self._seconds or time.monotonic() < self._next:
            return
        self._next += self._seconds
        idle = round(self.idle, 1)
        self._emit(HeartbeatEvent(since=self._since, idle=idle, last_tool=last_tool or None))


@dataclass(frozen=True)
class LimitCheck:
    """Decides whether the agent may go on."""

    limits: Limits
    stop: Flag
    progress: Progress
    heartbeat: Heartbeat
    started: float = field(default_factory=time.monotonic)

    def check(self) -> AgentVerdict | None:
        """Return why the agent has to end now, or None; a heartbeat is sent if one is due."""
        self.heartbeat.beat(self.progress.last_tool)
        if self.stop.is_set():
            return AgentVerdict(Outcome.INTERRUPTED, "signal", "the attempt was asked to stop")
        return self._over_time() or self._over_budget() or self._going_round()

    def _over_time(self) -> AgentVerdict | None:
        limits = self.limits
        if 0 < limits.run_seconds <= time.monotonic() - self.started:
            message = f"the agent ran for {limits.run_seconds:g} s, which is its limit"
            return AgentVerdict(Outcome.TIMED_OUT, "run_limit", message)
        if 0 < limits.idle_seconds <= self.heartbeat.idle:
            message = f"the agent gave no sign of life for {limits.idle_seconds:g} s"
            if self.progress.retried:
                message += f"; its model did not answer: {self.progress.retried}"
            return AgentVerdict(Outcome.IDLE, "idle_limit", message)
        return None

    def _going_round(self) -> AgentVerdict | None:
        # OpenCode asks again, for ever and several times a second, if an answer has no end.
        if self.progress.empty_steps < _MOST_EMPTY_STEPS:
            return None
        message = f"the model's last {_MOST_EMPTY_STEPS} answers had no end and called no tool"
        return AgentVerdict(Outcome.FAILED, "model_error", message)

    def _over_budget(self) -> AgentVerdict | None:
        if self.progress.finished:
            return None  # it has nothing more to do, so there is nothing more to save
        limits, usage = self.limits, self.progress.usage
        if 0 < limits.tokens < usage.tokens:
            message = f"the agent used {usage.tokens} tokens; its budget is {limits.tokens}"
            return AgentVerdict(Outcome.BUDGET_EXCEEDED, "token_budget", message)
        if 0 < limits.cost < usage.cost:
            message = f"the agent cost {usage.cost:.2f} US dollars; its budget is {limits.cost:g}"
            return AgentVerdict(Outcome.BUDGET_EXCEEDED, "cost_budget", message)
        return None
