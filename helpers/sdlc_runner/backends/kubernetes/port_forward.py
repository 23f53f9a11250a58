"""A port of this machine that leads to a port of a pod, through the API server alone."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING

from sdlc_runner.backends.kubernetes.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HOST = "127.0.0.1"
_CHUNK = 64 * 1024
_LIBRARY_THREAD = "Kubernetes port forward proxy"


class Forward:
    """Listens on the loopback interface; each connection gets one of its own from ``connect``."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._listener = socket.create_server((_HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.failure: ApiError | None = None
        """Why the newest connection got none."""
        threading.Thread(target=self._serve, name="forward", daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{_HOST}:{self.port}"

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near:
            try:
                far = self._connect()
            except ApiError as failure:
                self.failure = failure
                return
            self.failure = None
            with contextlib.closing(far), contextlib.suppress(OSError):
                _exchange(near, far)


def _exchange(near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    others = {near: far, far: near}
    while True:
        ready, _, _ = select.select(list(others), [], [])
        for side in ready:
            piece = side.recv(_CHUNK)
            if not piece:
                return
            others[side].sendall(piece)


@contextlib.contextmanager
def forwarded(connect: Callable[[], socket.socket]) -> Iterator[Forward]:
    """Forward for as long as the ``with`` block lasts."""
    with _quiet_library():
        forward = Forward(connect)
        try:
            yield forward
        finally:
            forward.close()


@contextlib.contextmanager
def _quiet_library() -> Iterator[None]:
    """Have the library's threads end in silence when a connection breaks off under them."""
    former = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if not (args.thread and args.thread.name.startswith(_LIBRARY_THREAD)):
            former(args)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = former
