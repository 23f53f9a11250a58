"""Ports of this machine that take connections, refuse them, or leave them without an answer."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILL = 4


@contextlib.contextmanager
def taking(host: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port that takes connections."""
    with socket.create_server((host, 0)) as door:
        yield door.getsockname()[1]


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """Yield a port that nobody can listen on meanwhile, and nobody does."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Yield a port that drops what comes, as a network policy does: its queue is full."""
    with contextlib.ExitStack() as open_:
        door = open_.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(_FILL):
            waiting = open_.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(door.getsockname())
        yield door.getsockname()[1]
