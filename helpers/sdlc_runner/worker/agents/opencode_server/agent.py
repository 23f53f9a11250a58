"""The agent in another container, behind OpenCode's server; we share its work tree and no more."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlc_runner.errors import Code, RunnerError
from sdlc_runner.worker.agents.base import AgentResult
from sdlc_runner.worker.agents.limits import Heartbeat, LimitCheck
from sdlc_runner.worker.agents.opencode_events import Translator
from sdlc_runner.worker.agents.opencode_server.client import ServerGone, TooSlow
from sdlc_runner.worker.agents.opencode_server.shell import ServerShell, model, run_command
from sdlc_runner.worker.agents.opencode_server.turn import Turn
from sdlc_runner.worker.preflight import model_endpoint
from sdlc_runner.worker.preflight.preflight import NOWHERE, Preflight
from sdlc_runner.worker.shutdown import ShutdownRequested

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from threading import Event as Flag

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.config.settings import Limits
    from sdlc_runner.worker.agents.base import Emit, OnLine, OnTick
    from sdlc_runner.worker.agents.opencode_server.client import Server
    from sdlc_runner.worker.masking import Masker
    from sdlc_runner.worker.preflight.endpoints import Way

_START_SECONDS = 120.0
_HEALTH_SECONDS = 2.0  # asked in the very moment of its start, it may never answer
_PAUSE = 0.1
_SWEEP_SECONDS = 20.0
_ASK_SECONDS = 30.0
_TAIL_LINES = 200
# Whatever the server has started has its pid in its environment; the server itself does not.
# Looked for until nothing is found three times: what was killed takes its time to go, and an heir
# may be born while its parent is looked at. Our own grep has that variable no more.
_SWEEP = """
server=$OPENCODE_PID; unset OPENCODE_PID
left=40 quiet=0
while [ $left -gt 0 ] && [ $quiet -lt 3 ]; do
  left=$((left - 1)) quiet=$((quiet + 1))
  for f in $(grep -lsz "^OPENCODE_PID=$server$" /proc/[0-9]*/environ); do
    p=${f#/proc/}; p=${p%/environ}
    case $p in
      $$ | $PPID | "$server") ;;
      *) quiet=0; kill -9 $p 2>/dev/null ;;
    esac
  done
  sleep 0.05
done
"""


def _go_on() -> None:
    """Let nothing but the time limit break in."""


@dataclass
class OpenCodeServerAgent:
    """One agent server, for one attempt."""

    spec: AttemptSpec
    work: Path
    server: Server
    stop: Flag
    masker: Masker
    preflight: Preflight = NOWHERE
    start_seconds: float = _START_SECONDS
    _lost: bool = False

    def prepare(self) -> None:
        """Wait for the server's health, for as long as a start may take."""
        deadline = time.monotonic() + self.start_seconds
        while not self._is_healthy():
            if time.monotonic() > deadline:
                raise RunnerError(
                    Code.AGENT_SERVER_LATE,
                    f"The agent's server did not answer within {self.start_seconds:g} s.",
                    "Read the agent container's log.",
                )
            time.sleep(_PAUSE)
        if self.preflight.seconds:
            self._require_model()

    def _require_model(self) -> None:
        """Try the model's host from here: both containers have one network."""
        settings, model = self._settings(), self.spec.agent.model

        def find() -> Way | None:
            return model_endpoint.way(settings, model, self._environ() or self.preflight.environ)

        self.preflight.require_model(
            model_endpoint.way(settings, model, self.preflight.environ), find
        )

    def _settings(self) -> object:
        """Ask the server for its settings, those in the repository too."""
        try:
            tick = self._break_off
            return self.server.call("GET", "/config", tick=tick, seconds=_ASK_SECONDS).value
        except (ServerGone, TooSlow):
            return None  # then the turn says what is wrong with it

    def _environ(self) -> dict[str, str]:
        """Read what in the agent's environment, which is not ours, decides where its model is."""
        command = f"env | grep -iE '^({'|'.join(model_endpoint.VARIABLES)})='"
        with contextlib.suppress(ServerGone, TooSlow):
            output = ServerShell(self.server, self.spec).run(command, self._break_off, _ASK_SECONDS)
            pairs = (line.partition("=") for line in output.splitlines())
            return {name: value for name, _, value in pairs}
        return {}

    def _is_healthy(self) -> bool:
        try:
            answer = self.server.call(
                "GET", "/global/health", tick=self._break_off, seconds=_HEALTH_SECONDS
            )
        except (ServerGone, TooSlow):
            self._break_off()
            return False
        if answer.refused:
            raise RunnerError(
                Code.AGENT_SERVER_REFUSED,
                "The agent's server does not take the password.",
                "Both containers must have the Secret server-password as it is now.",
            )
        return answer.ok

    def _break_off(self) -> None:
        if self.stop.is_set():
            raise ShutdownRequested

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """End what the agent has left running, as far as its own server can."""
        try:
            yield
        finally:
            with contextlib.suppress(ServerGone, TooSlow):
                if not self._lost:
                    ServerShell(self.server, self.spec).run(_SWEEP, _go_on, _SWEEP_SECONDS)

    def run(self, limits: Limits, prompt: str, emit: Emit) -> AgentResult:
        """Send the prompt in a session of its own, and follow it."""
        translator = Translator(self.work)
        heartbeat = Heartbeat(self.spec.heartbeat.seconds, emit)
        check = LimitCheck(limits, self.stop, translator, heartbeat).check
        turn = Turn(self.server, translator, heartbeat, check, emit, self.masker)
        body: dict[str, Any] = {"parts": [{"type": "text", "text": prompt}]}
        title = f"{self.spec.key.feature} {self.spec.key}"
        try:
            return AgentResult.of(turn.run(title, {**body, **model(self.spec)}), translator)
        finally:
            self._lost = turn.lost

    def shell(self, command: str, seconds: float, on_line: OnLine, on_tick: OnTick) -> int:
        """Have the server run a command; its lines come when it has ended, both streams as one."""
        own = ServerShell(self.server, self.spec)
        code, lines = run_command(own, command, seconds, self.stop, on_tick)
        for line in lines[-_TAIL_LINES:]:
            on_line("stdout", self.masker.mask(line))
        return code
