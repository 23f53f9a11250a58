"""Looks for what a hostile agent would like to have, and prints what it got: probe by probe."""

import ctypes
import http.client
import json
import os
import re
import socket
import ssl
import stat
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

SPEC = json.loads(Path("/etc/sdlc-runner/spec.json").read_text())
SECRETS = re.compile(rb"pod-token-[0-9a-f]{32}|[O]PENSSH PRIVATE KEY")
PLACES = "attempt secrets etc run var home tmp workspace opt/sdlc-runner dev mnt root".split()
NEW_USER_NAMESPACE = 0x10000000
found: dict[str, object] = {}


def probe(name: str, trial: Callable[[], object]) -> None:
    try:
        found[name] = trial()
    except OSError as error:
        found[name] = type(error).__name__


def files() -> Iterator[Path]:
    for place in PLACES:
        for folder, _, names in os.walk(f"/{place}"):
            yield from (Path(folder, name) for name in names)
    for process in Path("/proc").glob("[0-9]*"):
        yield from (process / "environ", process / "cmdline", process / "mountinfo")
        yield from process.glob("root/secrets/git/*")
        yield from process.glob("root/attempt/*")


def secrets() -> list[str]:
    """Search every file that can be read."""
    holding = []
    for path in files():
        try:
            if stat.S_ISREG(path.stat().st_mode) and SECRETS.search(path.read_bytes()):
                holding.append(str(path))
        except OSError:
            continue
    return holding


def asks(host: str, port: int, path: str, *, tls: bool) -> object:
    context = ssl._create_unverified_context()  # noqa: S323, SLF001 - a thief does not mind
    connection = (
        http.client.HTTPSConnection(host, port, timeout=2, context=context)
        if tls
        else http.client.HTTPConnection(host, port, timeout=2)
    )
    connection.request("GET", path, headers={"Metadata-Flavor": "Google"})
    return connection.getresponse().status


def connects(host: str, port: int) -> str:
    socket.create_connection((host, port), 2).close()
    return "connected"


def git(*args: str) -> list[object]:
    done = subprocess.run(["git", *args], check=False, capture_output=True, text=True, timeout=20)
    return [done.returncode, done.stderr]


def listed(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def become_root() -> str:
    os.setuid(0)
    return "root"


def new_namespace() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    return "done" if libc.unshare(NEW_USER_NAMESPACE) == 0 else os.strerror(ctypes.get_errno())


def status(name: str) -> object:
    text = Path("/proc/self/status").read_text()
    return re.findall(rf"^{name}:\s*(\S+)", text, re.MULTILINE)[0]


def processes() -> list[str]:
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    return sorted({line.split(b"\0")[0].rpartition(b"/")[2].decode() for line in lines})


url = SPEC["remote"]
with_token = url.replace("://", "://x-access-token:pod-token-guessed@")
branch = f"HEAD:refs/heads/{SPEC['feature_branch']}"
probe("secrets", secrets)
probe("token", lambda: Path("/secrets/git/token").read_text())
probe("mounts", lambda: listed("/secrets"))
probe("attempt", lambda: listed("/attempt"))
probe("account", lambda: listed("/var/run/secrets/kubernetes.io"))
probe("processes", processes)
probe("runs as", lambda: [os.getuid(), status("NoNewPrivs"), status("CapEff"), status("CapBnd")])
probe("root", become_root)
probe("namespace", new_namespace)
probe("device", lambda: os.mknod("/workspace/.git/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0)))
for place in ("/etc/sdlc-runner/spec.json", "/opt/sdlc-runner/sdlc_runner/x.py", "/usr/bin/git"):
    probe(place, partial(Path(place).write_text, "mine"))
probe("api", lambda: asks("10.212.0.1", 443, "/api/v1/secrets", tls=True))
probe("kubelet", lambda: asks("10.211.0.1", 10250, "/pods", tls=True))
probe("metadata", lambda: asks("169.254.169.254", 80, "/computeMetadata/v1/", tls=False))
probe("own server from outside", lambda: connects(socket.gethostbyname(socket.gethostname()), 4096))
probe("push", lambda: git("push"))
probe("push to origin", lambda: git("push", "origin", "HEAD"))
probe("push to the remote", lambda: git("push", url, branch))
probe("push with a token", lambda: git("push", with_token, branch))
probe("read the remote", lambda: git("ls-remote", url))
print(json.dumps(found))  # noqa: T201
