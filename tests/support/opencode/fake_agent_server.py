"""An agent's server that does on the wire what the real one cannot be made to do.

Every time its events are asked for, the next of ``streams`` plays: a function that gets a
``Listener``. All else is answered from ``answers``, by method and path.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

ROOT = "ses_root"


def part(kind: str, id_: str, session: str = ROOT, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the event of a part."""
    told = {"id": id_, "type": kind, "sessionID": session, **more}
    return {"type": "message.part.updated", "properties": {"sessionID": session, "part": told}}


def tool(status: str, id_: str = "prt_1", session: str = ROOT, output: str = "") -> dict[str, Any]:
    """Return the event of a tool."""
    state = {"status": status, "input": {"command": "make"}, "metadata": {"output": output}}
    return part("tool", id_, session, tool="bash", state=state)


def finish(reason: str = "stop", id_: str = "prt_9", session: str = ROOT) -> dict[str, Any]:
    """Return the event of a step's end."""
    used = {"input": 100, "output": 20}
    return part("step-finish", id_, session, reason=reason, tokens=used, cost=0)


def about(type_: str, session: str = ROOT, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an event of a session."""
    return {"type": type_, "properties": {"sessionID": session, **more}}


IDLE = about("session.idle")


@dataclass
class Listener:
    """The wire to one who listens."""

    request: BaseHTTPRequestHandler

    def send(self, *events: object) -> None:
        for event in events:
            self.raw(b"data: " + json.dumps(event).encode() + b"\n\n")

    def raw(self, data: bytes) -> None:
        self.request.wfile.write(data)
        self.request.wfile.flush()

    def hold(self, seconds: float = 30) -> None:
        """Stay silent, until the other side leaves."""
        self.request.connection.settimeout(seconds)
        with contextlib.suppress(OSError):
            self.request.connection.recv(1)


@dataclass
class FakeServer:
    """Serves while its ``with`` block lasts."""

    streams: list[Callable[[Listener], None]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    prompted: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._http = _Http(("127.0.0.1", 0), _Answer)
        self._http.fake = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering, if that is not done yet; the port is free again."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def port(self) -> int:
        return self._http.server_port

    def answer(self, method: str, path: str) -> Any:  # noqa: ANN401
        """Return a status and a JSON value, or a function that gets the request."""
        usual: dict[str, Any] = {
            "GET /global/health": (200, {"healthy": True}),
            "POST /session": (200, {"id": ROOT}),
            f"POST /session/{ROOT}/prompt_async": (204, None),
            f"GET /session/{ROOT}": (200, {"id": ROOT}),
            f"GET /session/{ROOT}/children": (200, []),
            f"GET /session/{ROOT}/message": (200, []),
            "GET /session/status": (200, {ROOT: {"type": "busy"}}),
            f"POST /session/{ROOT}/abort": (200, True),
        }
        return {**usual, **self.answers}.get(f"{method} {path}", (404, {"name": "NotFoundError"}))


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: who listens leaves at any moment."""


class _Answer(BaseHTTPRequestHandler):
    server: _Http

    body = b""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        self._do("GET")

    def do_POST(self) -> None:
        self._do("POST")

    def _do(self, method: str) -> None:
        fake, path = self.server.fake, self.path.partition("?")[0]
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fake.calls.append(f"{method} {path}")
        if path == "/event" and fake.streams:
            play = fake.streams.pop(0) if len(fake.streams) > 1 else fake.streams[0]
            self._begin(200, "text/event-stream")
            listener = Listener(self)
            listener.send({"type": "server.connected", "properties": {}})
            if not fake.prompted.is_set():
                fake.prompted.wait(10)
            play(listener)
            return
        answer = fake.answer(method, path)
        if callable(answer):
            answer(Listener(self))
        else:
            self._begin(answer[0], "application/json")
            self.wfile.write(b"" if answer[1] is None else json.dumps(answer[1]).encode())
        if path.endswith("prompt_async"):
            fake.prompted.set()

    def _begin(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()


def runs_commands(work: Path, environ: Mapping[str, str]) -> Callable[[Listener], None]:
    """Return an answer that runs the command it is asked for, as the real server does."""

    def play(listener: Listener) -> None:
        command = json.loads(listener.request.body)["command"]  # type: ignore[attr-defined]
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=work,
            env=dict(environ),
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        state = {"status": "completed", "output": done.stdout}
        answer = json.dumps({"parts": [{"type": "tool", "state": state}]}).encode()
        head = b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n"
        with contextlib.suppress(OSError):
            listener.raw(head + b"connection: close\r\n\r\n" + answer)

    return play


def slowly(data: bytes, pause: float) -> Callable[[Listener], None]:
    """Return a stream, or an answer, that comes a byte at a time."""

    def play(listener: Listener) -> None:
        for at in range(len(data)):
            listener.raw(data[at : at + 1])
            time.sleep(pause)

    return play
