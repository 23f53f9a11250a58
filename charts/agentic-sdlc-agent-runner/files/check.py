#!/usr/bin/env python3
"""What `helm test` runs in a pod like an attempt's: a line for each check; exit 1 if one fails.

usage: check.py (shut|open) [HOST:PORT...]

"shut": the network policy is on, so the address of cloud metadata must not answer.
"""

import contextlib
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment

SECRETS = Path("/secrets")
METADATA = ("169.254.169.254", 80)
PROGRAMS = (["git", "--version"], ["ssh", "-V"], ["rg", "--version"], ["opencode", "--version"])
MODULE = "import sdlc_runner.worker.pod"


def says(*argv: str) -> str:
    """Return the first line of what a program prints."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return (done.stdout + done.stderr).strip().splitlines()[0][:80]


def user() -> str:
    """Check that this is no root and that only the volumes can be written to."""
    if not os.getuid() or os.access("/", os.W_OK):
        raise AssertionError("this user is root, or may write to /")
    for folder in ("/workspace", "/attempt", "/home/agent", "/tmp"):  # noqa: S108
        (Path(folder) / ".check").write_text("")
    return f"{os.getuid()}:{os.getgid()}, volumes writable"


def programs() -> str:
    """Check that what an attempt calls is there."""
    subprocess.run([sys.executable, "-c", MODULE], check=True, timeout=60)
    return ", ".join(f"{argv[0]}: {says(*argv)}" for argv in PROGRAMS)


def git_credentials() -> str:
    """Check the names of the git Secret's keys."""
    keys = _keys("git")
    if keys is None:
        return "none mounted"
    if "ssh-privatekey" in keys and "known_hosts" not in keys:
        raise AssertionError("ssh-privatekey without known_hosts")
    if not keys & {"token", "ssh-privatekey"}:
        raise AssertionError("neither token nor ssh-privatekey")
    return ", ".join(sorted(keys))


def model_keys() -> str:
    """Check that the model Secret's keys are names of environment variables."""
    keys = _keys("model")
    if keys is None:
        return "none mounted"
    wrong = [key for key in keys if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key)]
    if wrong or not keys:
        raise AssertionError(f"no names of environment variables: {wrong}")
    return ", ".join(sorted(keys))


def server_password() -> str:
    """Check that there is a server password."""
    if not (SECRETS / "server" / "server-password").read_text().strip():
        raise AssertionError("server-password is empty")
    return "there"


def opencode_configuration() -> str:
    """Have OpenCode read its configuration: a wrong value would stop it."""
    says("opencode", "debug", "config")
    return "accepted"


def metadata() -> str:
    """Check that nothing answers where clouds hand out credentials."""
    try:
        socket.create_connection(METADATA, 3).close()
    except OSError:
        return "shut off"
    raise AssertionError("it answers: the network plugin does not enforce the NetworkPolicy")


def _keys(name: str) -> "set[str] | None":
    folder = SECRETS / name
    if not folder.is_dir():
        return None
    return {file.name for file in folder.iterdir() if not file.name.startswith("..")}


def _connect(place: str) -> str:
    host, _, port = place.rpartition(":")
    proxy = "" if proxy_bypass_environment(host) else os.environ.get("HTTPS_PROXY", "")
    if proxy:
        with contextlib.suppress(OSError):  # what is no HTTP may be reached without it
            _tunnel(proxy, place)
            return "answers, by the proxy"
    socket.create_connection((host, int(port)), 10).close()
    return "answers"


def _tunnel(proxy: str, place: str) -> None:
    """Have a proxy connect to a place, as git and OpenCode do."""
    by = urlsplit(proxy)
    port = by.port or (443 if by.scheme == "https" else 80)
    with contextlib.ExitStack() as open_:
        way = open_.enter_context(socket.create_connection((by.hostname or "", port), 10))
        if by.scheme == "https":
            trusted = ssl.create_default_context()
            way = open_.enter_context(trusted.wrap_socket(way, server_hostname=by.hostname))
        way.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        said = way.recv(256).split(b"\r\n")[0].decode(errors="replace")
    if not re.match(r"HTTP/1\.[01] 2\d\d", said):
        raise OSError(f"the proxy {by.hostname}:{port} says: {said}")


def main(network: str, *places: str) -> int:
    """Run every check, whatever the others say."""
    checks = [user, programs, git_credentials, model_keys, server_password, opencode_configuration]
    named = [(check.__name__.replace("_", " "), check) for check in checks]
    named += [("metadata", metadata)] if network == "shut" else []
    named += [(place, lambda place=place: _connect(place)) for place in places]
    failures = [_failed(name, check) for name, check in named]
    return int(any(failures))


def _failed(name: str, check: Callable[[], str]) -> bool:
    try:
        line, failed = f"ok      {name}: {check()}", False
    except Exception as error:  # noqa: BLE001 - one line a check, whatever goes wrong
        detail = getattr(error, "stderr", None) or error
        line, failed = f"FAILED  {name}: {detail}", True
    sys.stdout.write(line + "\n")
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
