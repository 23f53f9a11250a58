"""What an attempt's pod needs: a template, Secrets, an image, room, and the cluster's consent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask
from sdlc_runner.backends.kubernetes import job_spec, template_validation
from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.backends.kubernetes.object_fields import last_time, newest, said
from sdlc_runner.digest import digest
from sdlc_runner.doctor import quota, secrets
from sdlc_runner.doctor.check_result import CheckResult
from sdlc_runner.errors import Code, RunnerError, UsageError
from sdlc_runner.events.codec import AttemptKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from sdlc_runner.backends.kubernetes.backend import KubernetesBackend
    from sdlc_runner.backends.kubernetes.job_spec import PodTemplate
    from sdlc_runner.doctor.check_result import Link
    from sdlc_runner.orchestrator.project import Project

_FORBIDDEN = 403


def links(project: Project, backend: KubernetesBackend) -> Iterator[Link]:
    """Yield the pod's links; without a template there is only that one."""
    found: list[PodTemplate] = []

    def take() -> str:
        template = _taken(backend)
        found.append(template)
        return _template(template, project)

    yield "template", take
    for template in found:
        job = _job(project, backend)
        yield "secrets", partial(secrets.examine, project, backend.api, job)
        yield "image", partial(_image, backend, template)
        yield "quota", partial(_quota, backend, template)
        yield "admission", partial(_admission, backend, job)


def _taken(backend: KubernetesBackend) -> PodTemplate:
    try:
        return backend.template
    except RunnerError as error:
        if error.code is Code.CLUSTER_FORBIDDEN:
            error.hint = "What you may not do stands at `rights`."
        raise


def _template(template: PodTemplate, project: Project) -> str:
    template_validation.refuse(template, template_validation.faults(template))
    if project.settings.agent.command and not template.is_single:
        raise UsageError(
            Code.UNSUPPORTED_BACKEND,
            "agent.command needs a pod of one container: this template's agent is OpenCode.",
            "Unset agent.command, or render the chart with `agent.form: single`.",
        )
    form = "one container" if template.is_single else "runner and agent in two containers"
    return f"{template.source}: {form}"


def _job(project: Project, backend: KubernetesBackend) -> dict[str, Any]:
    """Make a Job as an attempt's would be, of no task."""
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
    events = [event for event in _events(backend) if any(name in str(event) for name in images)]
    failed = newest(events, "Failed", "ErrImageNeverPull")
    pulled = newest(events, "Pulled")
    if failed and last_time(failed) > last_time(pulled):
        raise UsageError(
            Code.CLUSTER_REFUSED,
            f"{shown}: {said(failed.get('message'))}",
            "Correct the image in the chart's values, or give the nodes access to its registry.",
        )
    if pulled:
        return CheckResult(f"{shown}: {said(pulled.get('message'))}")
    return CheckResult(f"{shown} (whether nodes can pull it shows with the first attempt)")


def _on_nodes(backend: KubernetesBackend, images: list[str]) -> bool:
    try:
        nodes = backend.api.get("/api/v1/nodes").get("items", [])
    except ApiError:
        return False  # few may list nodes
    there = {
        name
        for node in nodes
        for image in node["status"].get("images") or []
        for name in image.get("names") or []
    }
    return there.issuperset(images)


def _events(backend: KubernetesBackend) -> list[dict[str, Any]]:
    try:
        return list(backend.api.get(backend.api.path("events")).get("items", []))
    except ApiError:
        return []  # "rights" has told it


def _quota(backend: KubernetesBackend, template: PodTemplate) -> CheckResult:
    try:
        quotas = backend.api.get(backend.api.path("resourcequotas")).get("items", [])
    except ApiError as error:
        if error.status == _FORBIDDEN:
            return CheckResult("quotas cannot be read; an attempt beyond them waits")
        raise error.to_error("The quotas cannot be read") from None
    rooms = list(quota.rooms(quotas, template.pod["spec"]))
    if not rooms:
        return CheckResult("no quota bounds attempts")
    tightest = min(rooms, key=lambda room: (room.ever > 0, room.attempts))
    text = f"{tightest} used of the quota {tightest.quota}"
    if not tightest.ever:
        raise RunnerError(
            Code.CLUSTER_REFUSED,
            f"{text}: no attempt ever fits.",
            "Raise the quota, or lower the requests and limits in the chart's values.",
        )
    if not tightest.attempts:
        return CheckResult(
            f"{text}: the next attempt waits", "`sdlc-runner status` shows what runs."
        )
    return CheckResult(f"room for {tightest.attempts} more attempts ({text})")


def _admission(backend: KubernetesBackend, job: dict[str, Any]) -> CheckResult:
    """Have the cluster go through what it does with an attempt, without keeping anything."""
    api = backend.api
    try:
        warnings = list(api.try_out(api.path("jobs"), job))
    except ApiError as error:
        raise _refused("Job", error) from None
    pod = {"apiVersion": "v1", "kind": "Pod", **job["spec"]["template"]}
    pod["metadata"] = {**pod["metadata"], "generateName": "doctor-"}
    try:
        warnings += api.try_out(api.path("pods"), pod)
    except ApiError as error:
        if _lacks_right(error):
            told = "the cluster takes an attempt's Job; whether its pod too, an attempt shows"
            return _warned(told, warnings)
        if "exceeded quota" in error.message:
            return CheckResult("the cluster takes attempts as soon as the quota has room")
        raise _refused("pod", error) from None
    return _warned("the cluster takes an attempt's Job and its pod", warnings)


def _lacks_right(error: ApiError) -> bool:
    return error.status == _FORBIDDEN and "cannot create resource" in error.message


def _refused(what: str, error: ApiError) -> RunnerError:
    """Tell a policy's refusal from a missing right: both come as 403."""
    doing = f"The cluster refuses an attempt's {what}"
    if error.status != _FORBIDDEN or _lacks_right(error):
        return error.to_error(doing)
    hint = "Mend the pod template by the chart's values, or the policy that refuses it."
    return UsageError(Code.CLUSTER_REFUSED, f"{doing}: {error.message}", hint)


def _warned(told: str, warnings: list[str]) -> CheckResult:
    return CheckResult(told, "; ".join(dict.fromkeys(warnings)))
