"""A small API server for what a real one will not do on command: real HTTP on a real socket.

A test says how each request is answered, down to the bytes and the moment they are sent.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping
    from pathlib import Path

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What was asked, and when; the names of ``headers`` are in small letters."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def kind(self) -> str:
        """``watch``, ``log``, ``list``, or the method."""
        if "watch" in self.query:
            return "watch"
        if self.path.endswith("/log"):
            return "log"
        return "list" if self.method == "GET" else self.method


class Reply:
    """The answer to one request, sent piece by piece."""

    def __init__(self, conversation: BaseHTTPRequestHandler, closed: threading.Event) -> None:
        self._conversation = conversation
        self._closed = closed
        self.is_begun = False

    def whole(
        self,
        body: JsonObject | bytes,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer at once."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._head(status, {**(headers or {}), "Content-Length": str(len(raw))})
        self._conversation.wfile.write(raw)

    def refuse(self, status: int, message: str = "no", **headers: str) -> None:
        """Answer with a Status; ``Retry_After="1"`` is a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.whole({"kind": "Status", "code": status, "message": message}, status, named)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.is_begun = True
        self._conversation.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self._conversation.send_header(name, value)
        self._conversation.end_headers()

    def chunk(self, data: bytes) -> None:
        """Send one chunk; the first begins the answer."""
        if not self.is_begun:
            self._head(200, {"Transfer-Encoding": "chunked"})
        self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    def raw(self, data: bytes) -> None:
        self._conversation.wfile.write(data)
        self._conversation.wfile.flush()

    def event(self, type_: str, found: JsonObject) -> None:
        """Send one change of a watch."""
        self.chunk(json.dumps({"type": type_, "object": found}).encode() + b"\n")

    def end(self) -> None:
        """End the chunks cleanly."""
        self.chunk(b"")

    def cut(self) -> None:
        """Close the connection where it stands."""
        self._conversation.close_connection = True
        self._conversation.connection.shutdown(socket.SHUT_RDWR)

    def hang(self, seconds: float = 60) -> None:
        """Send nothing more, and do not close: the other side has to notice."""
        self._closed.wait(seconds)
        self._conversation.close_connection = True


Answer = Callable[[Request, Reply], None]


class FakeApi:
    """A server at ``url``; ``answers`` are tried in order, each for requests of its kind."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = self.most_connections = 0
        self._answers: list[tuple[str, Answer]] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._conversation())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.port: int = self._server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def on(self, kind: str, *answers: Answer) -> None:
        """Answer requests of a kind (or whose path ends so): one by one, the last for ever."""
        remaining = list(answers)

        def take(request: Request, reply: Reply) -> None:
            with self._lock:
                answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            answer(request, reply)

        self._answers.insert(0, (kind, take))

    def of(self, kind: str) -> list[Request]:
        """Return the requests of a kind so far."""
        return [request for request in self.requests if _is_of(request, kind)]

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def _count(self, change: int) -> None:
        with self._lock:
            self.connections += change
            self.most_connections = max(self.most_connections, self.connections)

    def _answer(self, request: Request, reply: Reply) -> None:
        self.requests.append(request)
        for kind, answer in self._answers:
            if _is_of(request, kind):
                answer(request, reply)
                return
        reply.refuse(404, f"nothing at {request.path}")

    def _conversation(fake) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the class below has a self
        class Conversation(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                fake._count(1)

            def finish(self) -> None:
                fake._count(-1)
                try:
                    super().finish()
                except OSError:
                    return

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:  # the client went away: that is its right
                    return

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

            def _serve(self) -> None:
                where = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                request = Request(
                    self.command,
                    where.path,
                    dict(parse_qsl(where.query)),
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(length),
                )
                fake._answer(request, Reply(self, fake._closed))

            do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the library's names

        return Conversation


def _is_of(request: Request, kind: str) -> bool:
    return request.kind == kind or request.path.endswith(kind)


def listed(*items: JsonObject, version: str = "1") -> JsonObject:
    """A list as the API gives it."""
    return {"kind": "List", "metadata": {"resourceVersion": version}, "items": list(items)}


def named(name: str, version: str = "1", **more: Any) -> JsonObject:  # noqa: ANN401
    """An object with little more than a name."""
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version}, **more}


def kubeconfig(
    path: Path, url: str, user: JsonObject | None = None, cluster: JsonObject | None = None
) -> Path:
    """Write a kubeconfig of one context, in the namespace ``there``."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": url, **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "there"}}
        ],
    }
    path.write_text(json.dumps(content))
    return path


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Cut bytes into pieces."""
    for at in range(0, len(data), size):
        yield data[at : at + size]
