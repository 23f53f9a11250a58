"""What the cluster needs before a pod is thought of: an answer, a namespace, rights."""

from __future__ import annotations

import contextlib
import re
from functools import partial
from typing import TYPE_CHECKING

from sdlc_runner.backends.kubernetes import agent_endpoint
from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.doctor import clone_url, permissions, pod
from sdlc_runner.doctor.check_result import CheckResult
from sdlc_runner.errors import Code, UnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdlc_runner.backends.kubernetes.backend import KubernetesBackend
    from sdlc_runner.doctor.check_result import Link
    from sdlc_runner.doctor.permissions import Right
    from sdlc_runner.orchestrator.project import Project

OLDEST = (1, 25)
SIDECARS = (1, 29)
_FORBIDDEN, _NOT_FOUND = 403, 404
_LEVEL = "pod-security.kubernetes.io/enforce"


def links(project: Project) -> Iterator[Link]:
    """Yield the cluster's links; those behind a broken one that they need are left out."""
    yield "clone", lambda: clone_url.clone(project)
    opened: list[KubernetesBackend] = []

    def open_it() -> CheckResult:
        found = _open(project)
        finding = _version(found)
        opened.append(found)
        return finding

    yield "cluster", open_it
    for backend in opened:
        yield "namespace", partial(_namespace, backend)
        yield "rights", partial(_rights, backend, project)
        yield from pod.links(project, backend)


def _open(project: Project) -> KubernetesBackend:
    from sdlc_runner.orchestrator.project import open_kubernetes  # noqa: PLC0415 - its import takes long

    return open_kubernetes(project.settings, project.environ)


def _version(backend: KubernetesBackend) -> CheckResult:
    try:
        found = backend.api.get("/version")
        who = permissions.own_name(backend.api)
    except ApiError as error:
        raise error.to_error(f"{backend.api.server} does not do") from None
    text = str(found.get("gitVersion", ""))
    match = re.match(r"v(\d+)\.(\d+)", text)
    version = (int(match[1]), int(match[2])) if match else OLDEST
    said = f"Kubernetes {text} at {backend.api.server}" + (f", as {who}" if who else "")
    if version < OLDEST:
        raise UsageError(Code.NO_CLUSTER, f"{said} is too old.", "Use Kubernetes 1.25 or newer.")
    if version < SIDECARS:
        hint = (
            "Before 1.29 an attempt has one container, so its agent can read the git credentials:"
            " give them the least rights, or upgrade the cluster."
        )
        return CheckResult(f"{said}: no native sidecars", hint)
    return CheckResult(said)


def _namespace(backend: KubernetesBackend) -> CheckResult:
    api = backend.api
    try:
        found = api.get(f"/api/v1/namespaces/{api.namespace}")
    except ApiError as error:
        if error.status == _FORBIDDEN:
            return CheckResult(f"{api.namespace} (whether it is there cannot be read)")
        if error.status == _NOT_FOUND:
            raise UsageError(
                Code.NO_NAMESPACE,
                f"There is no namespace {api.namespace}.",
                "Install the chart with --create-namespace, or `--namespace NAME`.",
            ) from None
        raise error.to_error(f"The namespace {api.namespace} cannot be read") from None
    if found["metadata"].get("deletionTimestamp"):
        raise UsageError(
            Code.NO_NAMESPACE,
            f"The namespace {api.namespace} is being deleted.",
            "Wait, or take another.",
        )
    level = (found["metadata"].get("labels") or {}).get(_LEVEL, "")
    if level != "restricted":
        given = f"Pod Security {level}" if level else "no Pod Security level"
        hint = f"`kubectl label namespace {api.namespace} {_LEVEL}=restricted` (an administrator)"
        return CheckResult(f"{api.namespace}, which enforces {given}", hint)
    return CheckResult(f"{api.namespace}, which enforces Pod Security restricted")


def _rights(backend: KubernetesBackend, project: Project) -> CheckResult:
    api, settings = backend.api, project.settings
    here = not (settings.kubernetes.template_file or settings.kubernetes.release)
    needed = [*permissions.needed(template=here)]
    try:
        lacking = permissions.missing(api, needed)
        hint = _grant(backend)
        if lacking:
            text = f"You may not {_listed(lacking)}."
            raise UnreachableError(Code.CLUSTER_FORBIDDEN, text, hint)
        wanted = [*permissions.wanted(api.namespace, _secret(backend))]
        lacking = permissions.missing(api, wanted)
    except ApiError as error:
        raise error.to_error("Your rights cannot be asked for") from None
    if lacking:
        return CheckResult(f"enough for attempts, but you may not {_listed(lacking)}", hint)
    return CheckResult(f"all {len(needed) + len(wanted)} of the spawner Role")


def _secret(backend: KubernetesBackend) -> str:
    """Return the server password's Secret, as far as the template is known."""
    with contextlib.suppress(UsageError, UnreachableError):
        return agent_endpoint.secret_of(backend.template.pod["spec"])[0]
    return ""


def _listed(lacking: list[Right]) -> str:
    """Say what may not be done, and what does not work for it: ``get, list pods (for follow)``."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for right in lacking:
        groups.setdefault((right.kind, right.name, right.use), []).append(right.verb)
    return "; ".join(
        f"{', '.join(verbs)} {' '.join(filter(None, (kind, name)))} (for {use})"
        for (kind, name, use), verbs in groups.items()
    )


def _grant(backend: KubernetesBackend) -> str:
    """Return how an administrator gives somebody the spawner Role."""
    who = permissions.own_name(backend.api) or "YOU"
    kind, _, account = who.partition("system:serviceaccount:")
    subject = f"--serviceaccount={account}" if not kind and account else f"--user={who}"
    role = "ROLE-OF-THE-CHART-spawner"
    with contextlib.suppress(UsageError, UnreachableError):
        named = (backend.template.content.get("metadata") or {}).get("name")
        role = f"{named}-spawner" if named else role
    return (
        f"An administrator: `kubectl -n {backend.api.namespace} create rolebinding NAME"
        f" --role={role} {subject}`, or the chart's value spawner.users."
    )
