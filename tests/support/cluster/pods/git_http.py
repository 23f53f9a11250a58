"""git over HTTP: ``git http-backend`` for those who know a token, and nothing for others."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from http.server import BaseHTTPRequestHandler
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from support.cluster.pods import standing
from support.cluster.pods.standing import RECEIVE, ROOT, UPLOAD, Mode, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVICE = rf"({RECEIVE}|{UPLOAD})"
_TARGET = re.compile(
    rf"/(?P<name>[a-z0-9-]+)\.git/(?:info/refs\?service={_SERVICE}|{_SERVICE}|HEAD|objects/.*)"
)


class GitRequest(BaseHTTPRequestHandler):
    """One request of a git client."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        self.close_connection = True
        found = _TARGET.fullmatch(self.path)
        if not found:
            self._refuse(404)
            return
        service = found[2] or found[3] or UPLOAD
        try:
            now = standing.read(found["name"])
        except FileNotFoundError:
            now = Standing()  # no token opens what is not there, as on a real host
        if self._password() not in now.tokens.values():
            self._refuse(401)
        elif now.concerns(service):
            self._behave(now)
        else:
            self._run()

    def _behave(self, now: Standing) -> None:
        time.sleep(now.delay)
        match now.mode:
            case Mode.UP:
                self._run()
            case Mode.UNAVAILABLE:
                self._refuse(503)
            case Mode.CUT:
                self._cut()
            case Mode.MUTE if self.command == "GET":
                self._run()
            case Mode.MUTE:
                with self._work():
                    self._cut()

    def _password(self) -> str | None:
        kind, _, coded = self.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            return base64.b64decode(coded).decode().partition(":")[2]
        except ValueError:
            return None

    def _refuse(self, status: int) -> None:
        for _ in self._body():
            pass  # a client that still sends would see a reset instead of the answer
        self.send_response(status)
        if status == 401:
            self.send_header("www-authenticate", 'Basic realm="git"')
        self.send_header("content-length", "0")
        self.end_headers()

    def _cut(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            yield self.rfile.read(int(self.headers.get("content-length", "0")))

    @contextlib.contextmanager
    def _work(self) -> Iterator[IO[bytes]]:
        """Yield all that ``git http-backend`` says."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as body:
            body.writelines(self._body())
            size = body.tell()
            body.seek(0)
            subprocess.run(
                ["git", "http-backend"],
                check=False,
                env=self._environment(size),
                stdin=body,
                stdout=output,
            )
            output.seek(0)
            yield output

    def _environment(self, size: int) -> dict[str, str]:
        target = urlsplit(self.path)
        headers = {
            "CONTENT_TYPE": "content-type",
            "GIT_PROTOCOL": "git-protocol",
            "HTTP_CONTENT_ENCODING": "content-encoding",
        }
        return {
            **os.environ,
            **{name: self.headers.get(header, "") for name, header in headers.items()},
            "GIT_PROJECT_ROOT": str(ROOT),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": target.path,
            "QUERY_STRING": target.query,
            "CONTENT_LENGTH": str(size),
            "REMOTE_USER": "test",
            "REMOTE_ADDR": self.client_address[0],
        }

    def _run(self) -> None:
        with self._work() as output:
            headers = list(iter(lambda: output.readline().strip(), b""))
            fields = [line.decode().partition(": ")[::2] for line in headers]
            status = next((value for name, value in fields if name == "Status"), "200")
            self.send_response(int(status.split()[0]))
            for name, value in fields:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("connection", "close")
            self.end_headers()
            shutil.copyfileobj(output, self.wfile)
