"""The Secrets that attempts mount, as far as the user may read them; values are never shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sdlc_runner.backends.kubernetes import agent_endpoint
from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.backends.kubernetes.job_spec import GIT_VOLUME
from sdlc_runner.backends.kubernetes.objects import EventView, ObjectView, newest, one_line
from sdlc_runner.backends.kubernetes.reasons import explains_mount
from sdlc_runner.doctor.check_result import CheckResult
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.git.remote_url import RemoteUrl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdlc_runner.backends.kubernetes.api import KubeApi
    from sdlc_runner.orchestrator.project import Project

_MODEL_VOLUME = "model-keys"
_EXTERNAL = "/apis/external-secrets.io/v1"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_FILES = {
    GIT_VOLUME: "--from-file=token=FILE",
    _MODEL_VOLUME: "--from-file=ANTHROPIC_API_KEY=FILE",
    agent_endpoint.VOLUME: f"--from-file={agent_endpoint.KEY}=FILE",
}


def examine(project: Project, api: KubeApi, job: Mapping[str, Any]) -> CheckResult:
    """Check that each Secret exists with the keys that attempts read."""
    named = dict(_named(job["spec"]["template"]["spec"]))
    seen, unread = [], []
    for volume, secret in named.items():
        try:
            found = api.get(api.path("secrets", secret))
        except ApiError as error:
            if error.is_not_found:
                raise _absent(api, volume, secret) from None
            if not error.is_forbidden:
                raise error.to_error(f"Cannot read the Secret {secret}") from None
            unread.append(secret)
            continue
        problem = _problem(volume, found, project)
        if problem:
            raise UsageError(
                Code.BAD_CREDENTIALS,
                f"The Secret {secret} {problem}.",
                _remedy(api, volume, secret, " --dry-run=client -o yaml | kubectl apply -f -"),
            )
        seen.append(secret)
    return _result(api, named, seen, unread)


def _named(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for volume in spec.get("volumes") or []:
        secret = (volume.get("secret") or {}).get("secretName")
        if secret and volume.get("name") in _FILES:
            yield volume["name"], secret


def _problem(volume: str, secret: Mapping[str, Any], project: Project) -> str:
    keys = {key for key, value in (secret.get("data") or {}).items() if value}
    if volume == GIT_VOLUME:
        remote = RemoteUrl.parse(project.settings.clone.url or project.url)
        needed = {"ssh-privatekey", "known_hosts"} if remote.is_ssh else {"token"}
        lacking = sorted(needed - keys)
        by = "SSH" if remote.is_ssh else "HTTP"
        absent = f"has no {' and no '.join(lacking)}, which cloning by {by} needs"
        return f"{absent} (it has {', '.join(sorted(keys)) or 'nothing'})" if lacking else ""
    if volume == _MODEL_VOLUME:
        odd = sorted(key for key in keys if not _VARIABLE.match(key))
        if odd:
            return f"has keys that name no environment variable: {', '.join(odd)}"
        return "" if keys else "is empty"
    return "" if agent_endpoint.KEY in keys else f"has no {agent_endpoint.KEY}"


def _absent(api: KubeApi, volume: str, secret: str) -> UsageError:
    return UsageError(
        Code.BAD_CREDENTIALS,
        f"There is no Secret {secret} in {api.namespace}: attempts would wait for {volume}.",
        _remedy(api, volume, secret),
    )


def _remedy(api: KubeApi, volume: str, secret: str, replacing: str = "") -> str:
    """Return the command that creates or replaces a Secret, or what its external store says."""
    where = f"kubectl -n {api.namespace}"
    try:
        found = api.get(f"{_EXTERNAL}/namespaces/{api.namespace}/externalsecrets/{secret}")
    except ApiError:  # there is none, or the user may not read it
        files = _FILES[volume]
        return f"`{where} create secret generic {secret} {files}{replacing}`"
    ready = ObjectView.of(found).condition("Ready", is_true=False)
    why = ready.message if ready and ready.message else "its operator has not reported yet"
    return f"ExternalSecret {secret}: {why}; see `{where} describe externalsecret {secret}`."


def _result(
    api: KubeApi, named: Mapping[str, str], seen: list[str], unread: list[str]
) -> CheckResult:
    parts = [f"all keys are in {', '.join(seen)}"] if seen else []
    if unread:
        parts.append(
            f"{', '.join(unread)} not readable by you (a missing one shows as volume_not_mounted)"
        )
    text = "; ".join(parts) or "the template names none"
    problem = _mount_problem(api, unread)
    if problem:
        return CheckResult(f"{text}; recently: {problem}", "Ignore this if it was fixed since.")
    if GIT_VOLUME not in named:
        hint = "Name a Secret in the chart's value secrets.git.existingSecret."
        return CheckResult(f"{text}; without git credentials attempts cannot push", hint)
    return CheckResult(text)


def _mount_problem(api: KubeApi, secrets: list[str]) -> str:
    """Return what an event of the last hour says about a Secret that the user may not read."""
    try:
        events = list(map(EventView.of, api.get(api.path("events")).get("items", [])))
    except ApiError:
        return ""
    about = [event for event in events if any(f'"{name}"' in event.message for name in secrets)]
    found = newest(filter(explains_mount, about), "FailedMount")
    return one_line(found.message) if found else ""
