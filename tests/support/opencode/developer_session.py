"""A developer's own OpenCode in a checkout: typed commands, the transcript, a sudden end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import urllib.request
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.harness import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import Self

    from support.harness import Harness
    from support.model.server import ModelServer

_SWITCHES = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
_START_SECONDS = 60
_COMMAND_SECONDS = 240


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@dataclass(frozen=True)
class ToolCall:
    """One call as the session shows it."""

    session: str
    turn: int
    name: str
    status: str
    arguments: Mapping[str, Any]
    output: str
    began: float
    ended: float

    @property
    def command(self) -> str:
        return str(self.arguments.get("command", ""))


@dataclass
class OpenCode:
    """The program as a server, which shows what its terminal would."""

    harness: Harness
    model: ModelServer
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        env = {k: v for k, v in self.harness.env.items() if k != "PYTHONPATH"}
        self.log = self.harness.folder / f"opencode-{self.port}.log"
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                ["opencode", "serve", "--port", str(self.port)],
                cwd=self.harness.checkout,
                env=self.model.environment({**env, **_SWITCHES}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(lambda: b"listening on" in self.log.read_bytes(), _START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it as a crash does: what it started is not told."""
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def type(self, command: str, arguments: str = "") -> str:
        """Type a command into a new session, and wait until it is idle; return the session."""
        session, idle = self.begin(command, arguments)
        idle.result(_COMMAND_SECONDS)
        return session

    def begin(self, command: str, arguments: str = "") -> tuple[str, Future[None]]:
        """Type a command and go away; return the session, and what is done when it is idle."""
        session, idle = self.session(), Future[None]()

        def ask() -> None:
            try:
                self._ask(
                    "POST", f"/session/{session}/command", command=command, arguments=arguments
                )
                idle.set_result(None)
            except OSError as error:  # it was killed
                idle.set_exception(error)

        threading.Thread(target=ask, daemon=True).start()
        return session, idle

    def session(self) -> str:
        return str(self._ask("POST", "/session")["id"])

    def children(self, session: str) -> list[str]:
        return [each["id"] for each in self._ask("GET", f"/session/{session}/children")]

    def calls(self, session: str) -> list[ToolCall]:
        """Return the tool calls of one session, in order."""
        return list(_calls(session, self._ask("GET", f"/session/{session}/message")))

    def texts(self, session: str) -> list[str]:
        """Return what the model said."""
        return [
            part["text"]
            for message in self._ask("GET", f"/session/{session}/message")
            for part in message["parts"]
            if part["type"] == "text" and message["info"]["role"] == "assistant"
        ]

    def turns(self, session: str) -> int:
        """Return how many answers of the model a session took."""
        messages = self._ask("GET", f"/session/{session}/message")
        return sum(message["info"]["role"] == "assistant" for message in messages)

    def _ask(self, method: str, path: str, **body: object) -> Any:  # noqa: ANN401
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=json.dumps(body).encode() if method == "POST" else None,
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_COMMAND_SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")


def _calls(session: str, messages: list[dict[str, Any]]) -> Iterator[ToolCall]:
    for turn, message in enumerate(messages):
        for part in message["parts"]:
            if part["type"] == "tool":
                state = part["state"]
                time = state.get("time", {})
                yield ToolCall(
                    session,
                    turn,
                    part["tool"],
                    state["status"],
                    state.get("input", {}),
                    state.get("output") or state.get("error") or "",
                    time.get("start", 0),
                    time.get("end", 0),
                )
