"""The tests' own door to a service: HTTP at a port of this machine."""

from __future__ import annotations

import contextlib
import http.client
from dataclasses import dataclass


@dataclass(frozen=True)
class Door:
    """Where it is, and what stands before every path."""

    port: int
    prefix: str = ""

    def call(self, method: str, path: str, body: bytes = b"", seconds: float = 30) -> bytes:
        """Return the answer; raises ``AssertionError`` for a status of 400 and more."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        with contextlib.closing(connection):
            connection.request(method, self.prefix + path, body)
            with connection.getresponse() as answer:
                said = answer.read()
        assert answer.status < 400, f"{method} {path}: {answer.status} {said.decode()}"
        return said
