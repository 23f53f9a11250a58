"""The agent in another container, behind OpenCode's server; only its work tree is shared."""

from __future__ import annotations

import base64
import contextlib
import math
import re
import shlex
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlc_runner import process
from sdlc_runner.errors import Code, RunnerError
from sdlc_runner.worker import preflight as worker_preflight
from sdlc_runner.worker.agents.base import NEVER_RAN, STOPPED, AgentResult
from sdlc_runner.worker.agents.limits import Heartbeat, LimitCheck
from sdlc_runner.worker.agents.opencode_events import Translator
from sdlc_runner.worker.agents.opencode_server.client import ServerGone, TooSlow
from sdlc_runner.worker.agents.opencode_server.session import is_name
from sdlc_runner.worker.agents.opencode_server.turn import Turn
from sdlc_runner.worker.preflight import NOWHERE, Preflight
from sdlc_runner.worker.shutdown import ShutdownRequested
from sdlc_runner.worker.untrusted_json import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from threading import Event as Flag

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.config.settings import Limits
    from sdlc_runner.worker.agents.base import Emit, OnLine, OnTick
    from sdlc_runner.worker.agents.opencode_server.client import Server
    from sdlc_runner.worker.masking import Masker
    from sdlc_runner.worker.preflight import Way


_TAIL_BYTES = 16_000
_ABORT_SECONDS = 5.0
_KILL_SECONDS = 5
_ANSWER_SECONDS = 10.0
_FOREVER = 365 * 86400.0


def model(spec: AttemptSpec) -> dict[str, Any]:
    """Return the model as the server wants it named; empty for its own default."""
    provider, _, name = spec.agent.model.partition("/")
    return {"model": {"providerID": provider, "modelID": name}} if provider and name else {}


@dataclass(frozen=True)
class ServerShell:
    """A session for commands alone."""

    server: Server
    spec: AttemptSpec

    def run(self, command: str, tick: Callable[[], None], seconds: float) -> str:
        """Run a command and return its output; whatever breaks that off ends the command too."""
        made = self.server.call(
            "POST",
            "/session",
            {"title": "commands"},
            tick=tick,
            seconds=min(seconds, _ANSWER_SECONDS),
        )
        name = as_text(as_mapping(made.value).get("id"))
        if not is_name(name):
            raise ServerGone("it makes no session")
        body = {"agent": "build", "command": _unquotable(command), **model(self.spec)}
        path = f"/session/{name}/shell"
        try:
            answer = self.server.call("POST", path, body, tick=tick, seconds=seconds)
        except BaseException:
            with contextlib.suppress(ServerGone, TooSlow):
                self.server.call("POST", f"/session/{name}/abort", {}, seconds=_ABORT_SECONDS)
            raise
        return _output(answer.value)


def _unquotable(script: str) -> str:
    """Return a command that runs the script: the server's own shell evaluates it more than once."""
    return f"echo {base64.b64encode(script.encode()).decode()} | base64 -d | sh"


def _output(message: object) -> str:
    parts = map(as_mapping, as_list(as_mapping(message).get("parts")))
    states = (as_mapping(part.get("state")) for part in parts if part.get("type") == "tool")
    return "\n".join(as_text(state.get("output")) for state in states)


class _Ended(Exception):  # noqa: N818 - it carries the exit code to return
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def run_command(
    shell: ServerShell, command: str, seconds: float, stop: Flag, on_tick: OnTick
) -> tuple[int, list[str]]:
    """Run a command with a time limit; return its exit code and the last lines of its output.

    Raises ``RunnerError`` when there is no server.
    """
    deadline = time.monotonic() + seconds

    def tick() -> None:
        on_tick()
        if stop.is_set():
            raise _Ended(STOPPED)
        if time.monotonic() >= deadline + 2 * _KILL_SECONDS:
            raise _Ended(process.TIMED_OUT)

    nonce = uuid.uuid4().hex
    try:
        tick()
        output = shell.run(_wrapped(command, nonce, seconds), tick, _FOREVER)
    except _Ended as ended:
        return ended.code, []
    except (ServerGone, TooSlow) as error:
        text = f"The agent's server did not run a verify command: {error}"
        raise RunnerError(Code.AGENT_SERVER_DIED, text) from None
    found = re.search(rf"^{nonce} ([0-9]{{1,3}})$", output, re.MULTILINE)
    if found is None:
        return NEVER_RAN, output.splitlines()
    return int(found[1]), output[: found.start()].splitlines()


def _wrapped(command: str, nonce: str, seconds: float) -> str:
    """Return a command that prints the end of the output, and then how it ended.

    By way of a file: the server sends all output so far with every piece of it, and a child in
    the background would hold a pipe open.
    """
    limit = f"timeout -k {_KILL_SECONDS} {seconds:.3f} " if seconds < math.inf else ""
    return (
        f'f=$(mktemp) || exit; {limit}sh -c {shlex.quote(command)} >"$f" 2>&1 </dev/null; c=$?;'
        f' tail -c {_TAIL_BYTES} "$f"; rm -f "$f"; printf "\\n{nonce} %s\\n" $c'
    )


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
            return worker_preflight.model_way(
                settings, model, self._environ() or self.preflight.environ
            )

        self.preflight.require_model(
            worker_preflight.model_way(settings, model, self.preflight.environ), find
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
        command = f"env | grep -iE '^({'|'.join(worker_preflight.VARIABLES)})='"
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
