"""The way from this machine to the API server, which a test can cut, hold and restore."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from support.cluster.kubectl import Kubectl

_CHUNK = 1 << 16


class Line:
    """Carries bytes both ways; TLS goes through it unchanged."""

    def __init__(self, port: int) -> None:
        self._far = port
        self._open = threading.Event()
        self._carries = threading.Event()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.restore()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection off, and refuse new ones."""
        self._open.clear()
        for pair in list(self._pairs):
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def hold(self) -> None:
        """Carry nothing more, and tell nobody."""
        self._carries.clear()

    def restore(self) -> None:
        """Carry again."""
        self._open.set()
        self._carries.set()

    def close(self) -> None:
        self.cut()
        self._carries.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near:
            if not self._open.is_set():
                return
            with socket.create_connection(("127.0.0.1", self._far)) as far:
                self._pairs.add((near, far))
                with contextlib.suppress(OSError):
                    self._exchange(near, far)
                self._pairs.discard((near, far))

    def _exchange(self, near: socket.socket, far: socket.socket) -> None:
        others = {near: far, far: near}
        while True:
            for end in select.select(list(others), [], [])[0]:
                piece = end.recv(_CHUNK)
                self._carries.wait()
                if not piece:
                    return
                others[end].sendall(piece)


def lay(kubectl: Kubectl, config: Path) -> Line:
    """Lay a line to the cluster, and write a kubeconfig that goes by it."""
    found = json.loads(
        kubectl.run("config", "view", "--raw", "--minify", "--flatten", "--output=json")
    )
    cluster = found["clusters"][0]["cluster"]
    line = Line(int(cluster["server"].rpartition(":")[2]))
    cluster["server"] = f"https://127.0.0.1:{line.port}"
    config.write_text(json.dumps(found))
    return line
