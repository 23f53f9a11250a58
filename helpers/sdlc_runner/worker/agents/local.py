"""The place of agents that are child processes of the worker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner import process
from sdlc_runner.events.types import Outcome, WarningEvent
from sdlc_runner.worker.agents import opencode_config
from sdlc_runner.worker.agents.base import STOPPED, AgentResult
from sdlc_runner.worker.agents.child_io import follow
from sdlc_runner.worker.agents.limits import Heartbeat, LimitCheck
from sdlc_runner.worker.agents.opencode_events import Translator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path
    from threading import Event as Flag

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.config.settings import Limits
    from sdlc_runner.worker.agents.base import AgentVerdict, Emit, OnLine, OnTick
    from sdlc_runner.worker.masking import Masker


@dataclass(frozen=True)
class LocalPlace:
    """Starts programs as children in the work tree; ``stop`` ends them."""

    spec: AttemptSpec
    work: Path
    environ: Mapping[str, str]
    stop: Flag
    masker: Masker

    def turn(self) -> AbstractContextManager[None]:
        """End servers, watchers: whatever the agent left running."""
        return process.without_strays()

    def shell(self, command: str, seconds: float, on_line: OnLine, on_tick: OnTick) -> int:
        """Run a shell command as a child, without standard input."""
        deadline = time.monotonic() + seconds

        def check() -> int | None:
            on_tick()
            if self.stop.is_set():
                return STOPPED
            return process.TIMED_OUT if time.monotonic() >= deadline else None

        child = self._start(("sh", "-c", command), process.DEVNULL)
        cause = follow(child, stdin=b"", masker=self.masker, on_line=on_line, check=check, grace=1)
        if cause is not None:
            return cause
        return child.returncode if child.returncode >= 0 else 128 - child.returncode

    def follow_agent(
        self, argv: tuple[str, ...], limits: Limits, prompt: str, emit: Emit
    ) -> tuple[AgentVerdict | None, Translator, int] | AgentResult:
        """Run an agent's program to its end or to a limit; the prompt comes on its standard input.

        Returns the limit that ended it (None: it ended without), what it reported, and its exit
        code; or at once the result of one that cannot be started.
        """
        try:
            child = self._start(argv, process.PIPE)
        except BlockingIOError:
            raise  # too many processes: nothing is wrong with this one
        except OSError as error:
            return _not_started(argv[0], error, emit)
        heartbeat = Heartbeat(self.spec.heartbeat.seconds, emit)
        translator = Translator(self.work)

        def on_line(stream: str, line: str) -> None:
            heartbeat.alive()
            for body in translator.feed(line, stream):
                emit(body)

        cause = follow(
            child,
            stdin=prompt.encode("utf-8", "replace"),
            masker=self.masker,
            on_line=on_line,
            check=LimitCheck(limits, self.stop, translator, heartbeat).check,
            grace=limits.grace_seconds,
        )
        return cause, translator, child.returncode

    def _start(self, argv: tuple[str, ...], stdin: int) -> process.Process[bytes]:
        return process.start(
            argv,
            cwd=self.work,
            env=opencode_config.environment(self.spec, self.work, self.environ),
            stdin=stdin,
            stdout=process.PIPE,
            stderr=process.PIPE,
            dies_with_us=True,
        )


def _not_started(program: str, error: OSError, emit: Emit) -> AgentResult:
    message = f"the agent {program} cannot be started: {error.strerror}"
    result = AgentResult(Outcome.FAILED, "agent_not_found", message)
    emit(WarningEvent(code=result.code, message=result.message, hint=result.hint))
    return result
