"""An HTTP proxy: CONNECT, and plain requests by their whole address; a line for each.

usage: forward_proxy.py PORT
"""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import sys
import threading
from urllib.parse import urlsplit

_LIMIT = 64 * 1024
_HOP = re.compile(rb"(?im)^(proxy-)?connection:.*\r\n")


class Client(socketserver.BaseRequestHandler):
    """One connection of a client, to one host."""

    request: socket.socket

    def handle(self) -> None:
        head, rest = self._head()
        if not head:
            return
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        is_tunnel = method == "CONNECT"
        url = urlsplit(f"//{target}" if is_tunnel else target)
        sys.stdout.write(f"{method} {url.netloc}\n")
        sys.stdout.flush()
        try:
            server = socket.create_connection((url.hostname or "", url.port or 80))
        except OSError:
            self.request.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with server:
            if is_tunnel:
                self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                origin = head.replace(b"http://" + url.netloc.encode(), b"", 1)
                server.sendall(_HOP.sub(b"", origin) + b"Connection: close\r\n\r\n" + rest)
            threading.Thread(target=_pass_on, args=(self.request, server), daemon=True).start()
            _pass_on(server, self.request)

    def _head(self) -> tuple[bytes, bytes]:
        found = b""
        while b"\r\n\r\n" not in found and len(found) < _LIMIT:
            data = self.request.recv(_LIMIT)
            if not data:
                return b"", b""
            found += data
        head, _, rest = found.partition(b"\r\n\r\n")
        return head + b"\r\n", rest


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(_LIMIT):
            other.sendall(data)


class Proxy(socketserver.ThreadingTCPServer):
    """It listens on every address of its pod."""

    allow_reuse_address = daemon_threads = True


if __name__ == "__main__":
    Proxy(("0.0.0.0", int(sys.argv[1])), Client).serve_forever()  # noqa: S104 - a pod
