"""One run of the agent: prompt in, events out, limits kept, nothing of it left behind."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner import process
from sdlc_runner.events import EventType, Outcome
from sdlc_runner.wrapper import opencode_config
from sdlc_runner.wrapper.opencode import Translator, Usage
from sdlc_runner.wrapper.pulse import Pulse
from sdlc_runner.wrapper.pump import follow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from threading import Event as Flag

    from sdlc_runner.attempt import AttemptSpec, Limits
    from sdlc_runner.wrapper.mask import Masker
    from sdlc_runner.wrapper.pulse import Emit

FINISHED = "agent_finished"
_MOST_EMPTY_STEPS = 25
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
    "model_unreachable": "check the model's address and the network policy",
}


@dataclass(frozen=True)
class AgentEnd:
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


@dataclass(frozen=True)
class _Verdict:
    status: Outcome
    code: str
    message: str


@dataclass(frozen=True)
class _Watch:
    """Decides, many times a second, whether the agent may go on."""

    limits: Limits
    stop: Flag
    translator: Translator
    pulse: Pulse
    started: float = field(default_factory=time.monotonic)

    def check(self) -> _Verdict | None:
        self.pulse.beat(self.translator.last_tool)
        if self.stop.is_set():
            return _Verdict(Outcome.INTERRUPTED, "signal", "the attempt was told to stop")
        return self._over_time() or self._over_budget() or self._going_round()

    def _over_time(self) -> _Verdict | None:
        limits = self.limits
        if 0 < limits.run_seconds <= time.monotonic() - self.started:
            message = f"the agent ran for {limits.run_seconds:g} s, which is its limit"
            return _Verdict(Outcome.TIMED_OUT, "run_limit", message)
        if 0 < limits.idle_seconds <= self.pulse.idle:
            message = f"the agent gave no sign of life for {limits.idle_seconds:g} s"
            return _Verdict(Outcome.IDLE, "idle_limit", message)
        return None

    def _going_round(self) -> _Verdict | None:
        # OpenCode asks again, for ever and several times a second, if an answer has no end.
        if self.translator.empty_steps < _MOST_EMPTY_STEPS:
            return None
        message = f"the model's last {_MOST_EMPTY_STEPS} answers had no end and called no tool"
        return _Verdict(Outcome.FAILED, "model_error", message)

    def _over_budget(self) -> _Verdict | None:
        if self.translator.finished:
            return None  # it has nothing more to do, so there is nothing more to save
        limits, usage = self.limits, self.translator.usage
        if 0 < limits.tokens < usage.tokens:
            message = f"the agent used {usage.tokens} tokens; its budget is {limits.tokens}"
            return _Verdict(Outcome.BUDGET_EXCEEDED, "token_budget", message)
        if 0 < limits.cost < usage.cost:
            message = f"the agent cost {usage.cost:.2f} US dollars; its budget is {limits.cost:g}"
            return _Verdict(Outcome.BUDGET_EXCEEDED, "cost_budget", message)
        return None


def run(
    spec: AttemptSpec,
    prompt: str,
    work: Path,
    environ: Mapping[str, str],
    emit: Emit,
    stop: Flag,
    masker: Masker,
) -> AgentEnd:
    """Run the agent once, on one prompt, to its end or to a limit; ``stop`` ends it too."""
    argv = opencode_config.command(spec, work)
    try:
        child = _start(argv, work, opencode_config.environment(spec, work, environ))
    except OSError as error:
        return _not_started(argv[0], error, emit)
    translator, pulse = Translator(work), Pulse(spec.heartbeat_seconds, emit)
    watch = _Watch(spec.limits, stop, translator, pulse)

    def hear(stream: str, line: str) -> None:
        pulse.heard()
        for type_, fields in translator.feed(line, stream):
            emit(type_, fields)

    cause = follow(
        child,
        stdin=prompt.encode("utf-8", "replace"),
        masker=masker,
        hear=hear,
        check=watch.check,
        grace=spec.limits.grace_seconds,
    )
    verdict = cause or _judge(child.returncode, translator, is_opencode=not spec.agent_command)
    return _end(verdict, child.returncode, translator)


def _start(argv: tuple[str, ...], work: Path, env: Mapping[str, str]) -> process.Process[bytes]:
    return process.start(
        argv,
        cwd=work,
        env=env,
        stdin=process.PIPE,
        stdout=process.PIPE,
        stderr=process.PIPE,
        dies_with_us=True,
    )


def _end(verdict: _Verdict, exit_code: int, translator: Translator) -> AgentEnd:
    return AgentEnd(
        verdict.status,
        verdict.code,
        verdict.message,
        exit_code,
        translator.usage,
        translator.last_message,
    )


def _not_started(program: str, error: OSError, emit: Emit) -> AgentEnd:
    end = AgentEnd(
        Outcome.FAILED,
        "agent_not_found",
        f"the agent {program} cannot be started: {error.strerror}",
    )
    emit(EventType.WARNING, {"code": end.code, "message": end.message, "hint": end.hint})
    return end


def _judge(exit_code: int, translator: Translator, *, is_opencode: bool) -> _Verdict:
    """Decide how an agent ended that ended by itself; OpenCode's exit code alone proves nothing."""
    if is_opencode and translator.error is not None:
        error = translator.error
        return _Verdict(Outcome.FAILED, error.code, f"the model failed: {error.message}")
    if is_opencode and translator.rejected:
        message = "OpenCode asked for a permission, which nobody could give, and stopped"
        return _Verdict(Outcome.FAILED, "permission_rejected", message)
    if exit_code != 0:
        return _Verdict(Outcome.FAILED, "agent_failed", f"the agent ended with {_exit(exit_code)}")
    if is_opencode and not translator.finished:
        message = f"the model stopped before it was done ({translator.reason or 'no last step'})"
        return _Verdict(Outcome.FAILED, "agent_incomplete", message)
    return _Verdict(Outcome.SUCCEEDED, FINISHED, "the agent finished")


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
