"""What the repository, its feature and its remote need, wherever attempts run."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from sdlc_runner.config import consent
from sdlc_runner.doctor.check_result import CheckResult
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.git.remote_url import RemoteUrl, normalize_remote
from sdlc_runner.orchestrator import launcher, registry

if TYPE_CHECKING:
    from sdlc_runner.orchestrator.project import Project


def identity(found: Project) -> str:
    """Check that git can commit for the user."""
    asked = ("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    done = found.repo.git.try_run(*asked)
    if not done.ok:
        raise UsageError(
            Code.BAD_CONFIG,
            "git has no user name and email, so `publish` cannot commit.",
            "Set them with `git config --global user.email YOU@EXAMPLE.ORG` and `user.name`.",
        )
    return done.text.rpartition(">")[0] + ">"


def feature(found: Project) -> str:
    """Check that there is a feature with tasks."""
    _, task_file = found.load_tasks()
    return f"{found.tasks_path}: {len(task_file.tasks)} tasks"


def remote(found: Project) -> str:
    """Check that the remote answers here."""
    found.require_remote()
    found.repo.git.run("ls-remote", found.repo.remote, "HEAD")
    return normalize_remote(found.url)


def published(found: Project) -> str:
    """Check that the remote has what attempts start from; the backend is not asked."""
    refs = registry.list_refs(found)
    base = launcher.require_published(found, refs)
    count = len({item.task for item in refs.attempts(found.feature.name)})
    return f"{found.branch} is on the remote at {base[:10]}; {count} tasks have attempts"


def consented(found: Project) -> str:
    """Check that the repository's commands may run on this machine."""
    commands = found.settings.verify.commands
    consent.require(found.state, found.repo.root, found.configuration.needing_consent)
    return f"{len(commands)} verify commands may run here"


def clone_url(project: Project) -> CheckResult:
    """Check that pods can reach the address that attempts clone from and push to."""
    url = project.settings.clone.url or project.url
    address = RemoteUrl.parse(url)
    shown, host = address.without_credentials, address.host
    if address.is_local or _is_loopback(host):
        raise UsageError(
            Code.BAD_CONFIG,
            f"Pods cannot reach {shown}: it is an address of this machine.",
            "Set the URL of the repository that pods can reach: `--set clone.url=URL`.",
        )
    if address.is_ssh:
        hint = (
            "The git Secret needs `ssh-privatekey` and `known_hosts`; with a token instead:"
            f" `--set clone.url=https://{host}/…`."
        )
        return CheckResult(f"{shown}, by SSH", "" if project.settings.clone.url else hint)
    if shown != url:
        return CheckResult(f"{shown}; pods get it without its credentials")
    if address.scheme == "http":
        return CheckResult(
            f"{shown}, unencrypted", "`--set clone.url=https://…` keeps the token secret."
        )
    if _is_private(host):
        hint = "The chart's NetworkPolicy blocks private addresses: allow it in networkPolicy.git."
        return CheckResult(f"{shown}, at a private address", hint)
    return CheckResult(shown)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_private(host: str) -> bool:
    """Whether it resolves to private addresses here; others may resolve in pods."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(ipaddress.ip_address(str(item[4][0]).partition("%")[0]).is_private for item in found)
