"""What tests do to the git server: make repositories, change how they stand, look inside.

GET  /                    the server's public SSH key
PUT  /NAME                how it stands (JSON); makes the repository if it is new
POST /NAME/git            run git in it: a JSON list of arguments; 422 and stderr if it fails
PUT  /NAME/hooks/HOOK     a hook's text; empty: no hook
GET, PUT, DELETE /NAME/flags/FLAG    an empty file for hooks to look at
"""

from __future__ import annotations

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from support.cluster.pods import standing
from support.cluster.pods.standing import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ROOT / "keys"
AUTHORIZED = KEYS / "authorized_keys"
_lock = threading.Lock()


class AdminRequest(BaseHTTPRequestHandler):
    """One request of a test."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        match self._parts():
            case []:
                self._reply((KEYS / "host.pub").read_bytes())
            case [name, "flags", flag]:
                self._reply(b"", 200 if _flag(name, flag).exists() else 404)
            case _:
                self._reply(b"", 404)

    def do_PUT(self) -> None:
        body = self._body()
        match self._parts():
            case [name]:
                _put(name, body)
            case [name, "hooks", hook]:
                _hook(name, hook, body)
            case [name, "flags", flag]:
                _flag(name, flag).touch()
            case _:
                self._reply(b"", 404)
                return
        self._reply(b"")

    def do_DELETE(self) -> None:
        name, _, flag = self._parts()
        _flag(name, flag).unlink(missing_ok=True)
        self._reply(b"")

    def do_POST(self) -> None:
        name, _ = self._parts()
        args = json.loads(self._body())
        done = subprocess.run(
            ["git", *args], check=False, capture_output=True, cwd=standing.folder(name)
        )
        if done.returncode:
            self._reply(done.stderr, 422)
        else:
            self._reply(done.stdout)

    def _parts(self) -> list[str]:
        return [part for part in self.path.split("/") if part]

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", "0")))

    def _reply(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)


def _flag(name: str, flag: str) -> Path:
    return standing.folder(name) / "flags" / flag


def _put(name: str, body: bytes) -> None:
    folder = standing.folder(name)
    if not folder.exists():
        subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", folder], check=True)
        (folder / "flags").mkdir()
    standing.write(name, standing.from_json(body))
    with _lock:
        _authorize()


def _authorize() -> None:
    """Let each repository's key in, to that repository only."""
    lines = []
    for path in ROOT.glob("*.git/standing.json"):
        name = path.parent.stem
        key = standing.read(name).public_key
        if key:
            lines.append(
                f'restrict,command="python3 -m support.cluster.pods.ssh_gate {name}" {key}\n'
            )
    new = AUTHORIZED.with_suffix(".new")
    new.write_text("".join(lines))
    new.rename(AUTHORIZED)


def _hook(name: str, hook: str, body: bytes) -> None:
    path = standing.folder(name) / "hooks" / hook
    if body:
        path.write_bytes(body)
        path.chmod(0o755)
    else:
        path.unlink(missing_ok=True)
