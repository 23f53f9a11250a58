"""Objects as a real cluster (1.34) had them, without what nobody here reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdlc_runner.backends.kubernetes import job_state
from sdlc_runner.backends.kubernetes.job_spec import CANCELLED, GIVEN_UP
from sdlc_runner.backends.kubernetes.objects import EventView, JobView, PodView

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sdlc_runner.backends.kubernetes.job_state import JobState

JobOrPod = dict[str, Any]
BORN, SCHEDULED, LATER = "2026-11-23T08:33:09Z", "2026-11-23T08:33:10Z", "2026-11-23T08:33:20Z"
BORN_SECONDS = 1_795_422_789.0
LEAVING = "2026-11-23T08:36:38Z"
IMAGE = "docker.io/local/none:1"
NOT_PRESENT = f'Container image "{IMAGE}" is not present with pull policy of Never'
NO_NODE = (
    "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. "
    "no new claims to deallocate, preemption: 0/1 nodes are available: "
    "1 Preemption is not helpful for scheduling."
)
QUOTA = 'pods "x-nd277" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0'
RESTRICTED = (
    'Error creating: pods "insecure-qq5tr" is forbidden: violates PodSecurity "restricted:latest": '
    'runAsNonRoot != true (pod or container "runner" must set securityContext.runAsNonRoot=true)'
)
NO_SECRET = 'MountVolume.SetUp failed for volume "git-credentials" : secret "nope" not found'
NO_KEY = (
    'MountVolume.SetUp failed for volume "git-credentials" : references non-existent secret key: x'
)
VOLUME_FULL = 'Usage of EmptyDir volume "workspace" exceeds the limit "1Mi". '
POD_DEADLINE = "Pod was active on the node longer than the specified deadline"


def job(
    *conditions: Mapping[str, Any],
    notes: Mapping[str, str] | None = None,
    **spec: Any,  # noqa: ANN401
) -> JobOrPod:
    """Return a Job that was made at ``BORN``."""
    meta = {"name": "x", "uid": "job-1", "creationTimestamp": BORN, "annotations": notes or {}}
    status = {"conditions": list(conditions), "startTime": SCHEDULED}
    return {"metadata": meta, "spec": spec, "status": status}


def pod(*statuses: Mapping[str, Any], leaving: bool = False, **status: Any) -> JobOrPod:  # noqa: ANN401
    """Return a pod, by default on its node since ``SCHEDULED``; ``agent`` is a sidecar."""
    owner = {"kind": "Job", "name": "x", "uid": "job-1", "controller": True}
    meta: dict[str, Any] = {"name": "x-1", "uid": "pod-1", "creationTimestamp": BORN}
    meta["ownerReferences"] = [owner]
    if leaving:
        meta["deletionTimestamp"] = LEAVING
    sidecars = [item for item in statuses if item["name"] == "agent"]
    plain = [item for item in statuses if item["name"] != "agent"]
    found: JobOrPod = {"phase": "Running", "conditions": [ON_NODE], "containerStatuses": plain}
    if sidecars:
        found["initContainerStatuses"] = sidecars
    return {"metadata": meta, "spec": {}, "status": {**found, **status}}


def condition(type_: str, status: str = "True", reason: str = "", message: str = "") -> JobOrPod:
    found = {"type": type_, "status": status, "lastTransitionTime": SCHEDULED}
    return {**found, "reason": reason, "message": message}


def container(name: str = "runner", last: object = None, **state: Any) -> JobOrPod:  # noqa: ANN401
    return {"name": name, "restartCount": 0, "state": state, "lastState": last or {}}


def waits(reason: str, message: str = "", name: str = "runner") -> JobOrPod:
    waiting = {"reason": reason, **({"message": message} if message else {})}
    return container(name, waiting=waiting)


def ended(code: int, reason: str = "Error", message: str = "", name: str = "runner") -> JobOrPod:
    found = {"exitCode": code, "reason": reason, "startedAt": SCHEDULED, "finishedAt": LATER}
    return container(name, terminated={**found, **({"message": message} if message else {})})


def event(reason: str, message: str = "", first: str = BORN, last: str = LATER) -> JobOrPod:
    times = {"firstTimestamp": first, "lastTimestamp": last, "eventTime": None}
    return {"reason": reason, "message": message, **times, "involvedObject": {"uid": "pod-1"}}


ON_NODE = condition("PodScheduled")
MOUNTED = condition("PodReadyToStartContainers")
RUNNING = container(running={"startedAt": SCHEDULED})
NEVER_STARTED = container(
    terminated={
        "exitCode": 137,
        "finishedAt": None,
        "message": "The container could not be located when the pod was terminated",
        "reason": "ContainerStatusUnknown",
        "startedAt": None,
    }
)
START_ERROR = container(
    terminated={
        "exitCode": 128,
        "finishedAt": LATER,
        "message": 'failed to create shim task: exec: "/nope": no such file or directory: unknown',
        "reason": "StartError",
        "startedAt": "1970-01-01T00:00:00Z",
    }
)
CRASHES = container(
    "agent",
    {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": SCHEDULED}},
    waiting={
        "message": "back-off 10s restarting failed container=agent pod=x-1_n(829f54bb)",
        "reason": "CrashLoopBackOff",
    },
)
FAILED = condition(
    "Failed",
    reason="BackoffLimitExceeded",
    message="Job has reached the specified backoff limit",
)
DISRUPTED = condition(
    "Failed",
    reason="PodFailurePolicy",
    message="Pod n/x-1 has condition DisruptionTarget matching FailJob rule at index 0",
)
OVERDUE = condition(
    "Failed",
    reason="DeadlineExceeded",
    message="Job was active longer than specified deadline",
)
OVERDUE_SOON = {**OVERDUE, "type": "FailureTarget"}
COMPLETE = condition(
    "Complete",
    reason="CompletionsReached",
    message="Reached expected number of succeeded pods",
)
CANCEL_NOTE = {CANCELLED: "2026-11-23T09:00:00+00:00"}
GIVE_UP_NOTE = {GIVEN_UP: '{"code": "image_pull_failed", "message": "No.", "hint": "Load it."}'}


def disrupted(reason: str, message: str) -> JobOrPod:
    return condition("DisruptionTarget", reason=reason, message=message)


def state_of(job: JobOrPod | None, pod: JobOrPod | None, events: Iterable[JobOrPod]) -> JobState:
    """Return the state of raw objects."""
    return job_state.state_of(
        None if job is None else JobView.of(job),
        None if pod is None else PodView.of(pod),
        list(map(EventView.of, events)),
    )


def states(
    jobs: Iterable[JobOrPod], pods: Iterable[JobOrPod], events: Iterable[JobOrPod]
) -> dict[str, JobState]:
    """Return the states of raw objects by their Jobs' uids."""
    return job_state.states(map(JobView.of, jobs), map(PodView.of, pods), map(EventView.of, events))
