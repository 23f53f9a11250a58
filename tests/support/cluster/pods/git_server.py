"""The git server of the cluster tests: HTTP at 8080, SSH at 2222, the tests' own door at 8081.

usage: python3 -m support.cluster.pods.git_server
"""

from __future__ import annotations

import os
import subprocess
import threading
from http.server import ThreadingHTTPServer

from support.cluster.pods.git_admin import AUTHORIZED, KEYS, AdminRequest
from support.cluster.pods.git_http import GitRequest
from support.cluster.ports import ADMIN, HTTP, SSH

_SSHD = "/usr/sbin/sshd"


def main() -> None:
    KEYS.mkdir(exist_ok=True, mode=0o700)
    host = KEYS / "host"
    if not host.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host], check=True)
    sshd = subprocess.Popen([_SSHD, "-D", "-e", "-f", "/dev/null", *_options()])
    for port, request in ((HTTP, GitRequest), (ADMIN, AdminRequest)):
        server = ThreadingHTTPServer(("0.0.0.0", port), request)  # noqa: S104 - a pod
        threading.Thread(target=server.serve_forever, daemon=True).start()
    raise SystemExit(sshd.wait())


def _options() -> list[str]:
    """As little as a key that opens one command needs."""
    options = {
        "Port": SSH,
        "HostKey": KEYS / "host",
        "AuthorizedKeysFile": AUTHORIZED,
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "MaxStartups": 100,
        "SetEnv": f"PYTHONPATH={os.environ['PYTHONPATH']}",
    }
    return [f"-o{name}={value}" for name, value in options.items()]


if __name__ == "__main__":
    main()
