"""Credentials for git, from files that are read again whenever git asks: never in argv or a URL."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.git.remote_url import RemoteUrl
from sdlc_runner.worker import secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MOST_NAMES = 5
_SSH_OPTIONS = "-F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"


class Access(NamedTuple):
    """What git gets on calls that reach the remote: options before the verb, and variables."""

    options: tuple[str, ...] = ()
    env: Mapping[str, str] = {}


class Credentials(NamedTuple):
    """A folder of credentials for one remote; without one, whatever git finds by itself."""

    folder: Path | None = None
    remote: str = ""

    def access(self) -> Access:
        """Take the token or the SSH key, as the remote's address needs it.

        Raises ``UsageError`` for credentials that lack what is needed, or that ssh could not read.
        """
        remote = RemoteUrl.parse(self.remote)
        if self.folder is None or not secrets.names(self.folder):
            return Access()
        if remote.is_web:
            return _token(self.folder, remote)
        return _key(self.folder) if remote.is_ssh else Access()


NONE = Credentials()


def _token(folder: Path, remote: RemoteUrl) -> Access:
    """Make a helper for the remote's own host: a redirect elsewhere gets nothing."""
    _require(folder, "token", "HTTP")
    token, username = (shlex.quote(str(folder / name)) for name in ("token", "username"))
    user = shlex.quote(remote.user or "x-access-token")
    helper = (
        '!f() { test "$1" = get || exit 0;'
        f" t=$(head -n 1 {token}) && u=$(head -n 1 {username} 2>/dev/null || echo {user}) &&"
        ' printf "username=%s\\npassword=%s\\n" "$u" "$t"; }; f'
    )
    scope = f"credential.{remote.scheme}://{remote.authority}"
    # The first, empty value takes away every helper that other settings name.
    return Access(("-c", "credential.helper=", "-c", f"{scope}.helper={helper}"))


def _require(folder: Path, name: str, by: str) -> None:
    """Raise ``bad_credentials`` where the one file that counts goes by another name."""
    if not (folder / name).exists():
        there = ", ".join(secrets.names(folder)[:_MOST_NAMES])
        raise UsageError(
            Code.BAD_CREDENTIALS,
            f"The git Secret has no {name}, which {by} needs (it has {there}).",
            f"Put it there under the key {name}; `sdlc-runner doctor` names the Secret.",
        )


def _key(folder: Path) -> Access:
    _require(folder, "ssh-privatekey", "SSH")
    key, hosts = folder / "ssh-privatekey", folder / "known_hosts"
    if not hosts.exists():
        raise UsageError(
            Code.NO_KNOWN_HOSTS,
            "There is an SSH key but no known_hosts, so the host cannot be verified.",
            "Put the output of `ssh-keyscan HOST`, compared with what the host publishes, into"
            " the git Secret as known_hosts.",
        )
    if not key.read_bytes().endswith(b"\n"):
        raise UsageError(
            Code.BAD_CREDENTIALS,
            "The SSH key's last line has no end, so ssh cannot read it.",
            "Store the key's file as it is, with its last line break.",
        )
    command = f"ssh {_SSH_OPTIONS} -i {shlex.quote(str(key))}"
    command += f" -o UserKnownHostsFile={shlex.quote(str(hosts))} -o GlobalKnownHostsFile=/dev/null"
    return Access(env={"GIT_SSH_COMMAND": command, "GIT_SSH_VARIANT": "ssh"})
