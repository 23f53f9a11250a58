"""Whether a host takes a connection: nothing is sent, and every wait has an end."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdlc_runner.worker.preflight.endpoints import Host

UNRESOLVED = "its name does not resolve"
_NO_ANSWER = "no answer"
_PAUSE = 0.5
_MOST_ADDRESSES = 16

_Addresses = list[tuple[Any, ...]]


def refusal(host: Host, seconds: float) -> str:
    """Return what kept a host from taking a connection for so long; empty: it took one."""
    deadline = time.monotonic() + seconds
    while True:
        said = _try(host, deadline)
        if not said or time.monotonic() + _PAUSE >= deadline:
            return said
        time.sleep(_PAUSE)


def _try(host: Host, deadline: float) -> str:
    addresses = _resolve(host, deadline)
    return _race(addresses[:_MOST_ADDRESSES], deadline) if addresses else UNRESOLVED


def _resolve(host: Host, deadline: float) -> _Addresses:
    """Look a name up; in a thread, because nothing else bounds the time that it takes."""
    found: queue.SimpleQueue[_Addresses] = queue.SimpleQueue()

    def look() -> None:
        try:
            found.put(list(socket.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)))
        except (OSError, ValueError):  # the second for what could not be a name
            found.put([])

    threading.Thread(target=look, daemon=True).start()
    try:
        return found.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        return []


def _race(addresses: _Addresses, deadline: float) -> str:
    """Connect to all addresses at once: one that is shut off hides no other."""
    said = _NO_ANSWER
    with contextlib.ExitStack() as open_, selectors.DefaultSelector() as waiting:
        for family, kind, protocol, _, address in addresses:
            try:
                one = open_.enter_context(socket.socket(family, kind, protocol))
            except OSError as error:
                said = error.strerror or said
                continue
            one.settimeout(0)
            code = one.connect_ex(address)
            if code in {0, errno.EINPROGRESS}:
                waiting.register(one, selectors.EVENT_WRITE)
            else:
                said = os.strerror(code)
        return _first(waiting, said, deadline)


def _first(waiting: selectors.BaseSelector, said: str, deadline: float) -> str:
    """Wait until one is connected, or none is left that could be."""
    while waiting.get_map():
        ready = waiting.select(max(0.0, deadline - time.monotonic()))
        if not ready:
            return _NO_ANSWER
        for key, _ in ready:
            one: socket.socket = key.fileobj  # type: ignore[assignment]
            code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                return ""
            said = os.strerror(code)
            waiting.unregister(one)
    return said
