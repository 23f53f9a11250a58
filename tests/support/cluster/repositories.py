"""A repository on the cluster's git server, as tests see and disturb it."""

from __future__ import annotations

import json
import shlex
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sdlc_runner import process
from support.cluster.pods.standing import RECEIVE, UPLOAD, Mode, Standing

if TYPE_CHECKING:
    from pathlib import Path

    from support.cluster.service_door import Door

__all__ = ["RECEIVE", "UPLOAD", "Mode", "Repository"]


@dataclass
class Repository:
    """Its addresses for pods and for this machine, its credentials, and its faults.

    The token of pods and the token of this machine are two, so that one can be revoked.
    """

    name: str
    pod_url_http: str
    pod_url_ssh: str
    host_url: str
    host_url_ssh: str
    host_key: str
    folder: Path
    door: Door
    token: str = field(default_factory=lambda: f"pod-token-{uuid.uuid4().hex}")
    host_token: str = field(default_factory=lambda: f"host-token-{uuid.uuid4().hex}")
    standing: Standing = field(default_factory=Standing)

    @property
    def private_key(self) -> Path:
        return self.folder / "ssh-key"

    @property
    def known_hosts(self) -> str:
        """The lines of ``known_hosts`` for pods and for this machine."""
        hosts = [url.split("@")[1].split("/")[0] for url in (self.pod_url_ssh, self.host_url_ssh)]
        key = " ".join(self.host_key.split()[:2])
        return "".join(f"[{host.split(':')[0]}]:{host.split(':')[1]} {key}\n" for host in hosts)

    def secret(self) -> dict[str, str]:
        """The values of the Secret ``git-credentials``."""
        return {
            "token": self.token,
            "ssh-privatekey": self.private_key.read_text(),
            "known_hosts": self.known_hosts,
        }

    def make(self) -> None:
        """Make it, with a token and a key that may read and write."""
        self.folder.mkdir(exist_ok=True)
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.private_key)]
        done = process.run(argv)
        assert done.ok, done.error_text
        public = self.private_key.with_suffix(".pub").read_text()
        self._stand(
            tokens={"pod": self.token, "host": self.host_token},
            public_key=" ".join(public.split()[:2]),
        )

    def _stand(self, **changes: object) -> None:
        self.standing = replace(self.standing, **changes)  # type: ignore[arg-type]
        self.door.call("PUT", "", self.standing.to_json())

    def revoke(self) -> None:
        """Take the pods' token and key away; this machine's stays."""
        self._stand(tokens={"host": self.host_token}, public_key="")

    def replace_token(self) -> str:
        """Have the pods' old token be refused and a new one be taken; return that."""
        self.token = f"pod-token-{uuid.uuid4().hex}"
        self._stand(tokens={"pod": self.token, "host": self.host_token})
        return self.token

    def go(self, mode: Mode, service: str = "") -> None:
        """Change what everybody meets, by default in pushes and in fetches."""
        self._stand(mode=mode, service=service)

    def go_down(self, service: str = "") -> None:
        """Answer 503 (by SSH: a complaint)."""
        self.go(Mode.UNAVAILABLE, service)

    def come_back(self) -> None:
        self._stand(mode=Mode.UP, service="", delay=0)

    def slow_down(self, seconds: float, service: str = RECEIVE) -> None:
        """Have each request wait, by default pushes (of which each makes two)."""
        self._stand(delay=seconds, service=service)

    def hook(self, name: str, script: str) -> None:
        """Install a hook, a shell script; ``$GIT_DIR/flags`` has the flags; empty: none."""
        self.door.call("PUT", f"/hooks/{name}", f"#!/bin/sh\n{script}\n".encode() * bool(script))

    def reject(self, pattern: str = "*", message: str = "policy says no") -> None:
        """Refuse pushes to refs that fit a shell pattern, each by itself."""
        said = shlex.quote(message)
        self.hook("update", f'case "$1" in {pattern}) echo {said} >&2; exit 1;; esac')

    def pause(self, pattern: str = "*") -> None:
        """Have pushes to refs that fit wait: the flag ``reached``, then until ``go`` is there."""
        self.hook(
            "pre-receive",
            f"while read -r old new ref; do case $ref in {pattern})\n"
            "  : >flags/reached\n"
            "  while [ ! -e flags/go ]; do sleep 0.05; done;; esac; done",
        )

    def flag(self, name: str) -> None:
        self.door.call("PUT", f"/flags/{name}")

    def has_flag(self, name: str) -> bool:
        try:
            self.door.call("GET", f"/flags/{name}")
        except AssertionError:
            return False
        return True

    def remove_flag(self, name: str) -> None:
        self.door.call("DELETE", f"/flags/{name}")

    def git_bytes(self, *args: str) -> bytes:
        """Run git in the bare repository itself."""
        return self.door.call("POST", "/git", json.dumps(args).encode())

    def git(self, *args: str) -> str:
        return self.git_bytes(*args).decode().strip()

    def refs(self) -> dict[str, str]:
        text = self.git("for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split(" ") for line in text.splitlines())

    def git_settings(self) -> str:
        """Lines for this machine's git configuration, so that git gets in here without asking."""
        server = self.host_url.rsplit("/", 1)[0]
        helper = f"!printf 'username=test\\npassword=%s\\n' {self.host_token} #"
        ssh = (
            f"ssh -i {self.private_key} -o IdentitiesOnly=yes"
            f" -o UserKnownHostsFile={self.folder}/known_hosts -o StrictHostKeyChecking=yes"
        )
        (self.folder / "known_hosts").write_text(self.known_hosts)
        return (
            f"[credential {json.dumps(server)}]\n\thelper =\n"
            f"\thelper = {json.dumps(helper)}\n"
            f"[core]\n\tsshCommand = {json.dumps(ssh)}\n"
        )
