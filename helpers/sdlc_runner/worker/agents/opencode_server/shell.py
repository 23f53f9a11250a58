"""Shell commands in the agent's container, run by its server: what comes back is a claim."""

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
from sdlc_runner.worker.agents.base import NEVER_RAN, STOPPED
from sdlc_runner.worker.agents.opencode_server.client import ServerGone, TooSlow
from sdlc_runner.worker.agents.opencode_server.session import is_name
from sdlc_runner.worker.untrusted_json import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event as Flag

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.worker.agents.base import OnTick
    from sdlc_runner.worker.agents.opencode_server.client import Server

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
