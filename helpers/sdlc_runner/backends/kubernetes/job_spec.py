"""The Job of an attempt: the administrator's pod template, with the attempt laid over it.

Pure. The chart owns the pod; only names, labels, the specification and the deadlines are set here.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlc_runner.attempt import naming
from sdlc_runner.attempt import spec as attempt_spec
from sdlc_runner.digest import digest, slug
from sdlc_runner.errors import Code, RunnerError
from sdlc_runner.git.remote_url import normalize_remote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.backends.kubernetes.pod_template import PodTemplate

RUNNER, AGENT = "runner", "agent"
MANAGED = {"app.kubernetes.io/managed-by": "sdlc-runner"}
SCOPE, TASK, NUMBER, IDENTITY = (
    f"sdlc-runner/{name}" for name in ("scope", "task", "attempt", "identity")
)
SPEC, TEMPLATE, CANCELLED, GIVEN_UP = (
    f"sdlc-runner/{name}" for name in ("spec", "template", "cancelled", "given-up")
)
WHERE_VARIABLE = "SDLC_RUNNER_WHERE"
GIT_VOLUME = "git-credentials"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
# So that the Job still tells it from a plain deletion when the pod is gone.
_FAILURE_POLICY = {
    "rules": [
        {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    ]
}
_LABEL_LIMIT = 63
_SPEC_LIMIT = 200 * 1024  # the API takes 256 KiB of annotations in all
_MARGIN_SECONDS = 600  # for the clone, the commit and the pushes
_LONGEST = 2**31 - 1  # seconds that the API takes for a pod


@dataclass(frozen=True)
class Clocks:
    """How long each phase may take, in seconds; 0: no limit."""

    queue: float = 86_400
    start: float = 900
    grace: float = 30
    """For what may pass on its own: image pulls, volumes, the creation of a container."""


def scope_of(remote: str, feature: str) -> str:
    """Return the label that all attempts of one feature of one repository share."""
    return digest(normalize_remote(remote), feature)[:40]


def name_of(spec: AttemptSpec) -> str:
    """Return the name of the attempt's Job: creating it is the lock within a namespace."""
    text = "\n".join(task.text for task in spec.tasks)
    return naming.Identity(spec.origin, spec.key, spec.task_ids, text).name


def build_job(
    template: PodTemplate,
    spec: AttemptSpec,
    where: str,
    clocks: Clocks,
    ttl: int,
    git_secret: str = "",
) -> dict[str, Any]:
    """Lay one attempt over the template; ``git_secret`` takes the place of the template's."""
    own, annotations = _labels(spec), _annotations(template, spec)
    pod = _pod(template, own, annotations[SPEC], where, git_secret)
    job_spec: dict[str, Any] = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": _FAILURE_POLICY,
        "ttlSecondsAfterFinished": ttl,
        "template": pod,
    }
    _set_deadlines(job_spec, spec, clocks)
    labels = pod["metadata"]["labels"]
    queue = {QUEUE_LABEL: labels[QUEUE_LABEL]} if QUEUE_LABEL in labels else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name_of(spec), "labels": {**own, **queue}, "annotations": annotations},
        "spec": job_spec,
    }


def _pod(
    template: PodTemplate, own: Mapping[str, str], spec_text: str, where: str, git_secret: str
) -> dict[str, Any]:
    """Return the template's pod with labels, the specification and the runner's environment."""
    pod = copy.deepcopy(dict(template.pod))
    for volume in pod["spec"].get("volumes") or [] if git_secret else []:
        if volume.get("name") == GIT_VOLUME:
            volume["secret"] = {**(volume.get("secret") or {}), "secretName": git_secret}
    given = pod.get("metadata") or {}
    pod["metadata"] = {
        "labels": {**(given.get("labels") or {}), **own},
        "annotations": {**(given.get("annotations") or {}), SPEC: spec_text},
    }
    pod["spec"]["restartPolicy"] = "Never"
    runner = next(item for item in pod["spec"]["containers"] if item["name"] == RUNNER)
    kept = [item for item in runner.get("env") or [] if item.get("name") != WHERE_VARIABLE]
    runner["env"] = [*kept, {"name": WHERE_VARIABLE, "value": where}]
    return pod


def _labels(spec: AttemptSpec) -> dict[str, str]:
    return {
        **MANAGED,
        "app.kubernetes.io/name": "agentic-sdlc-agent-runner",
        SCOPE: scope_of(spec.origin, spec.key.feature),
        TASK: slug(spec.key.task, _LABEL_LIMIT),
        NUMBER: str(spec.key.number),
        IDENTITY: spec.identity[:_LABEL_LIMIT],
    }


def _annotations(template: PodTemplate, spec: AttemptSpec) -> dict[str, str]:
    text = spec.to_json()
    if not _is_utf8(text):  # of a file name that was none; escaped, it comes back as it was
        text = json.dumps(json.loads(text))
    if len(text.encode()) > _SPEC_LIMIT:
        raise RunnerError(
            Code.FILE_TOO_LARGE,
            f"Task {spec.key.task} has a specification of more than {_SPEC_LIMIT // 1024} KiB.",
            "Move the details to a file of the feature and name that file in the task.",
        )
    return {SPEC: text, TEMPLATE: template.digest}


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _set_deadlines(job: dict[str, Any], spec: AttemptSpec, clocks: Clocks) -> None:
    """Set the backstops: the worker's own clocks come first, so that its work is pushed.

    The pod's deadline keeps pod and log; a template's own is kept where it is shorter. The Job's
    counts from its creation and removes both, so it stands behind all the others.
    """
    run, own = spec.limits.run_seconds, job["template"]["spec"].get("activeDeadlineSeconds")
    if not (run and clocks.start):
        return
    verify = spec.verify.seconds * len(spec.tasks) if spec.verify.commands else 0
    pod = min(int(clocks.start + run + verify + _MARGIN_SECONDS), _LONGEST)
    job["template"]["spec"]["activeDeadlineSeconds"] = min(pod, own or pod)
    if clocks.queue:
        job["activeDeadlineSeconds"] = int(clocks.queue) + pod + _MARGIN_SECONDS


def spec_of(annotations: Mapping[str, str]) -> AttemptSpec | None:
    """Read the specification back from a Job's or pod's annotations; None if there is none."""
    try:
        return attempt_spec.load(annotations.get(SPEC, ""))
    except RunnerError:
        return None
