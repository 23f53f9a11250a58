"""Whether pods can come to the git remote by the address that they are given."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING

from sdlc_runner.doctor.check_result import CheckResult
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.git.remote_url import without_credentials

if TYPE_CHECKING:
    from sdlc_runner.orchestrator.project import Project

_URL = re.compile(r"(?P<scheme>[a-z+]+)://(?:[^/@]*@)?(?P<host>\[[^\]]*\]|[^/:]*)", re.IGNORECASE)
_SCP = re.compile(r"(?:[^/@]*@)?(?P<host>[^/:@]{2,}):(?!//)")


def clone(project: Project) -> CheckResult:
    """Check the address that attempts clone from and push to."""
    url = project.settings.clone.url or project.url
    shown = without_credentials(url)
    scheme, host = address(url)
    if not host or _is_loopback(host):
        raise UsageError(
            Code.BAD_CONFIG,
            f"Pods cannot reach {shown}: it is of this machine.",
            "`--set clone.url=URL`: where the same repository is for pods.",
        )
    if scheme == "ssh":
        hint = (
            "The git Secret needs `ssh-privatekey` and `known_hosts`; with a token instead:"
            f" `--set clone.url=https://{host}/…`."
        )
        return CheckResult(f"{shown}, by SSH", "" if project.settings.clone.url else hint)
    if shown != url:
        return CheckResult(f"{shown}; pods get it without the credentials in it")
    if scheme == "http":
        return CheckResult(
            f"{shown}, unencrypted", "`--set clone.url=https://…` keeps the token secret."
        )
    if _is_private(host):
        hint = (
            "The chart's NetworkPolicy shuts private addresses off: name it in networkPolicy.git."
        )
        return CheckResult(f"{shown}, at a private address", hint)
    return CheckResult(shown)


def address(url: str) -> tuple[str, str]:
    """Return scheme and host of a remote; no host for a path of this machine."""
    match = _URL.match(url)
    if match:
        scheme = match["scheme"].lower()
        return scheme, "" if scheme == "file" else match["host"].strip("[]")
    match = _SCP.match(url)
    return ("ssh", match["host"]) if match else ("file", "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_private(host: str) -> bool:
    """Whether it resolves to private addresses here; what does not resolve may do so in pods."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(ipaddress.ip_address(str(item[4][0]).partition("%")[0]).is_private for item in found)
