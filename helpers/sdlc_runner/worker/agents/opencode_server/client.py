"""The agent's server, spoken to over HTTP: every wait can be broken off, every answer is bounded.

The server is the agent's side and may be hostile, slow, stopped or gone. While a call waits for
bytes it calls ``tick``, many times a second; whatever that raises breaks the call off.
"""

from __future__ import annotations

import base64
import http.client
import json
import select
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from sdlc_runner.worker.untrusted_json import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Tick = Callable[[], None]

USER = "opencode"
_TICK_MILLISECONDS = 50
_CONNECT_SECONDS = 2.0
_ANSWER_LIMIT = 16 * 1024 * 1024
_CHUNK = 64 * 1024
OK = 200
NOT_FOUND = 404
_REFUSED = frozenset({401, 403})


class ServerGone(Exception):  # noqa: N818 - a state of the server, in its own words
    """The server cannot be reached, or what it says is no HTTP."""


class TooSlow(Exception):  # noqa: N818 - the same
    """The server did not answer in time."""


class Answer(NamedTuple):
    """A status and the JSON that came with it; None for anything else."""

    status: int
    value: Any

    @property
    def ok(self) -> bool:
        """Whether the server did what it was asked."""
        return OK <= self.status < OK + 100

    @property
    def refused(self) -> bool:
        """Whether it does not know our password."""
        return self.status in _REFUSED


class _Socket(socket.socket):
    """Waits for bytes in small steps, with a look at the clock before each."""

    tick: Tick

    def recv_into(self, *args: Any) -> int:  # noqa: ANN401
        poll = select.poll()
        poll.register(self, select.POLLIN)
        self.tick()
        while not poll.poll(_TICK_MILLISECONDS):
            self.tick()
        return super().recv_into(*args)


class _Connection(http.client.HTTPConnection):
    def __init__(self, host: str, port: int, tick: Tick) -> None:
        super().__init__(host, port)
        self._tick = tick

    def connect(self) -> None:
        own = _Socket(socket.AF_INET, socket.SOCK_STREAM)
        own.tick = self._tick
        own.settimeout(_CONNECT_SECONDS)  # also for all that is sent
        self.sock = own
        own.connect((self.host, self.port))


@dataclass(frozen=True)
class Server:
    """A server on this machine's loopback interface, working in one directory."""

    port: int
    password: str
    directory: str
    host: str = "127.0.0.1"

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        tick: Tick = lambda: None,
        seconds: float = 10,
    ) -> Answer:
        """Ask one thing; raises ``ServerGone``, ``TooSlow`` or what ``tick`` raises."""
        with self._answer(method, path, body, _until(seconds, tick)) as response:
            data = b"".join(_pieces(response, _ANSWER_LIMIT))
            return Answer(response.status, parse_json(data))

    @contextmanager
    def stream(self, path: str, tick: Tick) -> Iterator[Iterator[bytes]]:
        """Open a stream that lasts; the pieces end when it breaks, without saying why."""
        with self._answer("GET", path, None, tick) as response:
            if response.status != OK:
                raise ServerGone(f"{path}: {response.status}")
            yield _pieces(response)

    @contextmanager
    def _answer(
        self, method: str, path: str, body: object, tick: Tick
    ) -> Iterator[http.client.HTTPResponse]:
        connection = _Connection(self.host, self.port, tick)
        sent = None if body is None else json.dumps(body).encode()
        try:
            with _speaking():
                connection.request(method, self._target(path), sent, self._headers())
                response = connection.getresponse()
            yield response
        finally:
            connection.close()

    def _target(self, path: str) -> str:
        return f"{path}{'&' if '?' in path else '?'}directory={quote(self.directory)}"

    def _headers(self) -> dict[str, str]:
        token = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        return {"authorization": f"Basic {token}", "content-type": "application/json"}


@contextmanager
def _speaking() -> Iterator[None]:
    """Say in words of ours what goes wrong while bytes are sent or read, and only then."""
    try:
        yield
    except TimeoutError as error:
        raise TooSlow from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServerGone(f"{type(error).__name__}: {error}") from error


def _until(seconds: float, tick: Tick) -> Tick:
    deadline = time.monotonic() + seconds

    def look() -> None:
        tick()
        if time.monotonic() >= deadline:
            raise TooSlow

    return look


def _pieces(response: http.client.HTTPResponse, limit: float = float("inf")) -> Iterator[bytes]:
    size = 0
    while size <= limit:
        with _speaking():
            piece = response.read1(_CHUNK)
        if not piece:
            return
        size += len(piece)
        yield piece
    raise ServerGone(f"an answer of more than {limit} bytes")
