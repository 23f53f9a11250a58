"""What attempts need of the cluster: its version, a namespace, permissions, and a pod that can run.

The checks of the pod: a template, Secrets, an image, room in the quotas, and admission.
"""

from __future__ import annotations

import contextlib
import re
from functools import partial
from typing import TYPE_CHECKING

from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask
from sdlc_runner.backends.kubernetes import agent_endpoint, job_spec, pod_template
from sdlc_runner.backends.kubernetes.errors import ApiError, api_errors
from sdlc_runner.backends.kubernetes.objects import (
    EventView,
    ObjectView,
    last_time,
    newest,
    one_line,
)
from sdlc_runner.digest import digest
from sdlc_runner.doctor import permissions, repository, secrets
from sdlc_runner.doctor.check_result import CheckResult
from sdlc_runner.errors import Code, RunnerError, UnreachableError, UsageError
from sdlc_runner.events.codec import AttemptKey
from sdlc_runner.output.render import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from sdlc_runner.backends.kubernetes.backend import KubernetesBackend
    from sdlc_runner.backends.kubernetes.pod_template import PodTemplate
    from sdlc_runner.doctor.check_result import Link
    from sdlc_runner.doctor.permissions import Permission
    from sdlc_runner.orchestrator.project import Project

OLDEST = (1, 25)
SIDECARS = (1, 29)
_LEVEL = "pod-security.kubernetes.io/enforce"


def links(project: Project) -> Iterator[Link]:
    """Yield the checks of the cluster; those that need one that failed are left out."""
    yield "clone", lambda: repository.clone_url(project)
    opened: list[KubernetesBackend] = []

    def open_it() -> CheckResult:
        found = _open(project)
        finding = _version(found)
        opened.append(found)
        return finding

    yield "cluster", open_it
    for backend in opened:
        yield "namespace", partial(_namespace, backend)
        yield "permissions", partial(_permissions, backend, project)
        yield from _pod_links(project, backend)


def _open(project: Project) -> KubernetesBackend:
    from sdlc_runner.orchestrator.project import open_kubernetes  # noqa: PLC0415 - its import takes long

    return open_kubernetes(project.settings, project.environ)


def _version(backend: KubernetesBackend) -> CheckResult:
    with api_errors(f"Cannot use the cluster at {backend.api.server}"):
        found = backend.api.get("/version")
        who = permissions.own_name(backend.api)
    release = str(found.get("gitVersion", ""))
    match = re.match(r"v(\d+)\.(\d+)", release)
    version = (int(match[1]), int(match[2])) if match else OLDEST
    text = f"Kubernetes {release} at {backend.api.server}" + (f", as {who}" if who else "")
    if version < OLDEST:
        raise UsageError(Code.NO_CLUSTER, f"{text} is too old.", "Use Kubernetes 1.25 or newer.")
    if version < SIDECARS:
        hint = (
            "Before 1.29 an attempt has one container, so its agent can read the git credentials:"
            " give them the least permissions, or upgrade the cluster."
        )
        return CheckResult(f"{text}: no native sidecars", hint)
    return CheckResult(text)


def _namespace(backend: KubernetesBackend) -> CheckResult:
    api = backend.api
    try:
        found = api.get(f"/api/v1/namespaces/{api.namespace}")
    except ApiError as error:
        if error.is_forbidden:
            return CheckResult(f"{api.namespace} (no permission to check that it exists)")
        if error.is_not_found:
            raise UsageError(
                Code.NO_NAMESPACE,
                f"There is no namespace {api.namespace}.",
                "Install the chart with --create-namespace, or pass `--namespace NAME`.",
            ) from None
        raise error.to_error(f"Cannot read the namespace {api.namespace}") from None
    view = ObjectView.of(found)
    if view.is_deleting:
        raise UsageError(
            Code.NO_NAMESPACE,
            f"The namespace {api.namespace} is being deleted.",
            "Wait until it is gone, or use another one: `--namespace NAME`.",
        )
    level = view.labels.get(_LEVEL, "")
    if level != "restricted":
        given = f"Pod Security {level}" if level else "no Pod Security level"
        hint = f"`kubectl label namespace {api.namespace} {_LEVEL}=restricted` (an administrator)"
        return CheckResult(f"{api.namespace}, which enforces {given}", hint)
    return CheckResult(f"{api.namespace}, which enforces Pod Security restricted")


def _permissions(backend: KubernetesBackend, project: Project) -> CheckResult:
    api, settings = backend.api, project.settings
    here = not (settings.kubernetes.template_file or settings.kubernetes.release)
    needed = [*permissions.needed(template=here)]
    with api_errors("Cannot check your permissions"):
        lacking = permissions.missing(api, needed)
        hint = _grant(backend)
        if lacking:
            text = f"You may not {_listed(lacking)}."
            raise UnreachableError(Code.CLUSTER_FORBIDDEN, text, hint)
        wanted = [*permissions.wanted(api.namespace, _secret(backend))]
        lacking = permissions.missing(api, wanted)
    if lacking:
        return CheckResult(f"enough for attempts, but you may not {_listed(lacking)}", hint)
    return CheckResult(f"all {len(needed) + len(wanted)} of the spawner Role")


def _secret(backend: KubernetesBackend) -> str:
    """Return the server password's Secret, as far as the template is known."""
    with contextlib.suppress(UsageError, UnreachableError):
        return agent_endpoint.secret_of(backend.template.pod["spec"])[0]
    return ""


def _listed(lacking: list[Permission]) -> str:
    """Return what is missing, and what needs it: ``get, list pods (for follow)``."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for item in lacking:
        groups.setdefault((item.kind, item.name, item.use), []).append(item.verb)
    return "; ".join(
        f"{', '.join(verbs)} {' '.join(filter(None, (kind, name)))} (for {use})"
        for (kind, name, use), verbs in groups.items()
    )


def _grant(backend: KubernetesBackend) -> str:
    """Return how an administrator grants the user the spawner Role."""
    who = permissions.own_name(backend.api) or "YOU"
    kind, _, account = who.partition("system:serviceaccount:")
    subject = f"--serviceaccount={account}" if not kind and account else f"--user={who}"
    role = "ROLE-OF-THE-CHART-spawner"
    with contextlib.suppress(UsageError, UnreachableError):
        named = (backend.template.content.get("metadata") or {}).get("name")
        role = f"{named}-spawner" if named else role
    return (
        f"Ask an administrator to run `kubectl -n {backend.api.namespace} create rolebinding NAME"
        f" --role={role} {subject}`, or to set the chart's value spawner.users."
    )


def _pod_links(project: Project, backend: KubernetesBackend) -> Iterator[Link]:
    """Yield the checks of the pod; without a template there is only that one."""
    found: list[PodTemplate] = []

    def read() -> str:
        template = _read_template(backend)
        found.append(template)
        return _template(template, project)

    yield "template", read
    for template in found:
        job = _job(project, backend)
        yield "secrets", partial(secrets.examine, project, backend.api, job)
        yield "image", partial(_image, backend, template)
        yield "quota", partial(_quota, backend, template)
        yield "admission", partial(_admission, backend, job)


def _read_template(backend: KubernetesBackend) -> PodTemplate:
    try:
        return backend.template
    except RunnerError as error:
        if error.code is Code.CLUSTER_FORBIDDEN:
            error.hint = "Missing permissions are listed under `permissions`."
        raise


def _template(template: PodTemplate, project: Project) -> str:
    pod_template.refuse(template, pod_template.problems(template))
    if project.settings.agent.command:
        pod_template.require_single(template)
    form = "one container" if template.is_single else "runner and agent in two containers"
    return f"{template.source}: {form}"


def _job(project: Project, backend: KubernetesBackend) -> dict[str, Any]:
    """Return a Job as an attempt would have it, without a real task."""
    settings = project.settings
    key = AttemptKey("doctor", "doctor", 1)
    spec = AttemptSpec(
        key=key,
        identity=digest("doctor"),
        tasks=(AttemptTask("doctor", "doctor", "doctor"),),
        remote="",
        feature_dir="",
        feature_branch="",
        base="",
        branch="",
        **settings.for_worker(),
    )
    ttl, secret = settings.kubernetes.ttl_seconds, settings.kubernetes.git_secret
    return job_spec.build_job(backend.template, spec, "doctor", backend.clocks, ttl, secret)


def _containers(template: PodTemplate) -> list[dict[str, Any]]:
    spec = template.pod["spec"]
    return [*(spec.get("initContainers") or []), *spec["containers"]]


def _image(backend: KubernetesBackend, template: PodTemplate) -> CheckResult:
    images = sorted({str(item.get("image")) for item in _containers(template)})
    shown = ", ".join(images)
    if _on_nodes(backend, images):
        return CheckResult(f"{shown}, on a node")
    events = [event for event in _events(backend) if any(name in event.message for name in images)]
    failed = newest(events, "Failed", "ErrImageNeverPull")
    pulled = newest(events, "Pulled")
    if failed and last_time(failed) > last_time(pulled):
        raise UsageError(
            Code.CLUSTER_REFUSED,
            f"{shown}: {one_line(failed.message)}",
            "Correct the image in the chart's values, or give the nodes access to its registry.",
        )
    if pulled:
        return CheckResult(f"{shown}: {one_line(pulled.message)}")
    return CheckResult(f"{shown} (the first attempt will show whether nodes can pull it)")


def _on_nodes(backend: KubernetesBackend, images: list[str]) -> bool:
    try:
        nodes = backend.api.get("/api/v1/nodes").get("items", [])
    except ApiError:
        return False  # few users may list nodes
    there = {
        name
        for node in nodes
        for image in node["status"].get("images") or []
        for name in image.get("names") or []
    }
    return there.issuperset(images)


def _events(backend: KubernetesBackend) -> list[EventView]:
    try:
        found = backend.api.get(backend.api.path("events")).get("items", [])
        return list(map(EventView.of, found))
    except ApiError:
        return []  # reported by "permissions"


def _quota(backend: KubernetesBackend, template: PodTemplate) -> CheckResult:
    try:
        quotas = backend.api.get(backend.api.path("resourcequotas")).get("items", [])
    except ApiError as error:
        if error.is_forbidden:
            return CheckResult("no permission to read quotas; an attempt that exceeds one waits")
        raise error.to_error("Cannot read the quotas") from None
    rooms = list(permissions.quota_rooms(quotas, template.pod["spec"]))
    if not rooms:
        return CheckResult("no quota limits attempts")
    tightest = min(rooms, key=lambda room: (room.ever > 0, room.attempts))
    text = f"{tightest} used of the quota {tightest.quota}"
    if not tightest.ever:
        raise RunnerError(
            Code.CLUSTER_REFUSED,
            f"{text}: no attempt can ever fit.",
            "Raise the quota, or lower the requests and limits in the chart's values.",
        )
    if not tightest.attempts:
        return CheckResult(
            f"{text}: the next attempt waits", "`sdlc-runner status` shows what is running."
        )
    return CheckResult(f"room for {counted(tightest.attempts, 'more attempt')} ({text})")


def _admission(backend: KubernetesBackend, job: dict[str, Any]) -> CheckResult:
    """Have the cluster check an attempt's Job and pod without keeping anything."""
    api = backend.api
    try:
        warnings = list(api.dry_run(api.path("jobs"), job))
    except ApiError as error:
        raise _refused("Job", error) from None
    pod = {"apiVersion": "v1", "kind": "Pod", **job["spec"]["template"]}
    pod["metadata"] = {**pod["metadata"], "generateName": "doctor-"}
    try:
        warnings += api.dry_run(api.path("pods"), pod)
    except ApiError as error:
        if _lacks_permission(error):
            text = "the cluster accepts the Job; an attempt will show whether it accepts the pod"
            return _warned(text, warnings)
        if "exceeded quota" in error.message:
            return CheckResult("the cluster accepts attempts as soon as the quota has room")
        raise _refused("pod", error) from None
    return _warned("the cluster accepts an attempt's Job and its pod", warnings)


def _lacks_permission(error: ApiError) -> bool:
    return error.is_forbidden and "cannot create resource" in error.message


def _refused(what: str, error: ApiError) -> RunnerError:
    """Return a policy's refusal, or a missing permission: both come as 403."""
    doing = f"The cluster refuses an attempt's {what}"
    if not error.is_forbidden or _lacks_permission(error):
        return error.to_error(doing)
    hint = "Fix the pod template in the chart's values, or the policy that refuses it."
    return UsageError(Code.CLUSTER_REFUSED, f"{doing}: {error.message}", hint)


def _warned(text: str, warnings: list[str]) -> CheckResult:
    return CheckResult(text, "; ".join(dict.fromkeys(warnings)))
