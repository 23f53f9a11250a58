"""Why an attempt does not begin, and what ended its pod from outside: two tables. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from sdlc_runner.attempt.spec import TerminationCause
from sdlc_runner.backends.kubernetes.job_spec import AGENT, RUNNER
from sdlc_runner.backends.kubernetes.objects import last_time, newest, one_line
from sdlc_runner.events.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdlc_runner.backends.kubernetes.job_spec import Clocks
    from sdlc_runner.backends.kubernetes.objects import (
        Condition,
        ContainerExit,
        ContainerView,
        EventView,
        JobView,
        PodView,
    )


class TimeoutKind(Enum):
    """Which timeout applies to an attempt that does not run yet."""

    NONE = "none"
    AT_ONCE = "at once"
    GRACE = "grace"
    START = "start"
    QUEUE = "queue"

    def seconds(self, clocks: Clocks) -> float:
        """How long it allows; 0: no limit."""
        match self:
            case TimeoutKind.GRACE:
                return clocks.grace
            case TimeoutKind.START:
                return clocks.start
            case TimeoutKind.QUEUE:
                return clocks.queue
            case TimeoutKind.NONE:
                return 0
            case TimeoutKind.AT_ONCE:
                return 0.001


@dataclass(frozen=True)
class PendingReason:
    """What holds an attempt up; ``code`` stays the same while it lasts.

    ``since`` is when it began, in seconds of the epoch by the cluster's clock; None: not known.
    """

    code: str
    message: str
    hint: str
    clock: TimeoutKind
    since: float | None = None

    def to_cause(self) -> TerminationCause:
        """Return it as the reason why the attempt was given up."""
        return TerminationCause(Outcome.REJECTED, self.code, self.message, self.hint)


_PULL = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError",
     "RegistryUnavailable", "SignatureValidationFailed"}
)  # fmt: skip
_CREATE = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError",
     "PreStartHookError", "PostStartHookError", "RunContainerError"}
)  # fmt: skip
_START_FAILURES = ("Failed", "InspectFailed", "ErrImageNeverPull", "BackOff")
_MOUNT = ("FailedMount", "FailedAttachVolume")
_SYNCING = "cache: timed out waiting for the condition"  # the kubelet has not read the Secret yet
_LEAVING = "not registered"  # the kubelet has forgotten the pod already, and looks once more
_OFTEN = 3
_ABSENT = re.compile(r'secret "([a-z0-9.-]+)" not found')
_AFTER_MOUNTS = ("Pulling", "Pulled", "Created", "Started")
_IMAGE_HINT = "Correct the image in the chart's values, or load it into the nodes."
_CREATE_HINT = "Correct the pod template, or the Secret or ConfigMap that it names."


def of_creation(events: Sequence[EventView]) -> PendingReason | None:
    """Why the Job controller cannot create the pod; it keeps trying."""
    failed = newest(events, "FailedCreate")
    if failed is None or last_time(newest(events, "SuccessfulCreate")) >= failed.last:
        return None
    text = one_line(failed.message)
    if _is_quota(failed):
        hint = "It starts when the quota has room; `sdlc-runner cancel TASK` gives it up."
        return PendingReason(
            "quota_exceeded", f"The namespace's quota is used up: {text}", hint, TimeoutKind.QUEUE
        )
    hint = "Correct the pod template or the policy that refuses it, then run `sdlc-runner doctor`."
    refused = [event for event in events if event.reason == "FailedCreate"]
    since = min(event.first for event in refused if not _is_quota(event))
    message = f"The cluster refuses the pod: {text}"
    return PendingReason("admission_refused", message, hint, TimeoutKind.GRACE, since)


def _is_quota(event: EventView) -> bool:
    """Whether the quota has no room now; a quota that can never fit the pod words it otherwise."""
    return "exceeded quota" in event.message


def of_scheduling(condition: Condition) -> PendingReason:
    """Why no node takes the pod: a node may be added, or another pod may end."""
    hint = "It starts when a node has room; `sdlc-runner cancel TASK` gives it up."
    text = f"No node can run the pod: {condition.message}"
    return PendingReason("unschedulable", text, hint, TimeoutKind.QUEUE)


def of_volumes(events: Sequence[EventView]) -> PendingReason | None:
    """Why the pod's volumes or network are missing; only events say."""
    after = last_time(newest(events, *_AFTER_MOUNTS))
    mounts = [item for item in events if item.reason in _MOUNT and explains_mount(item)]
    mount = newest(mounts, *_MOUNT)
    if mount is not None and mount.last > after:
        text = f"A volume cannot be mounted: {one_line(mount.message)}"
        since = min(item.first for item in mounts)
        return PendingReason(
            "volume_not_mounted", text, _mount_hint(text), TimeoutKind.GRACE, since
        )
    sandbox = newest(events, "FailedCreatePodSandBox")
    if sandbox is not None and sandbox.last > after:
        text = f"The node cannot set up the pod: {one_line(sandbox.message)}"
        return PendingReason(
            "pod_not_set_up", text, "Check the node and its network.", TimeoutKind.START
        )
    return None


def _mount_hint(text: str) -> str:
    """Name the missing Secret; the chart's ExternalSecrets have their Secrets' names."""
    absent = _ABSENT.search(text)
    if absent is None:
        return "Create the Secret with its keys (README of the chart), or wait until it is synced."
    return (
        f"Create the Secret {absent[1]} with its keys (README of the chart); if External Secrets"
        f" fetches it, `kubectl describe externalsecret {absent[1]}` says why it is missing."
    )


def explains_mount(event: EventView) -> bool:
    """Whether a failed mount says why: not one of a pod that is leaving, or of a busy node.

    A busy node reports it once or twice, and then it has mounted the volume.
    """
    busy = _SYNCING in event.message and event.times < _OFTEN
    return not busy and not event.message.endswith(_LEAVING)


def of_waiting(container: ContainerView, events: Sequence[EventView]) -> PendingReason | None:
    """Why a container waits, if that lasts for more than a moment."""
    reason, message = container.waiting_reason, container.waiting_message
    text = f"{reason}: {message}" if message else reason
    first = min((item.first for item in events if item.reason in _START_FAILURES), default=0)
    since = first or None
    if reason == "InvalidImageName":
        return PendingReason("image_name_invalid", text, _IMAGE_HINT, TimeoutKind.AT_ONCE)
    if reason in _PULL:
        return PendingReason("image_pull_failed", text, _IMAGE_HINT, TimeoutKind.GRACE, since)
    if reason in _CREATE:
        return PendingReason("container_not_created", text, _CREATE_HINT, TimeoutKind.GRACE, since)
    crashes = of_crashes(container) or _of_failed_start(container)
    return None if crashes is None else replace(crashes, clock=TimeoutKind.GRACE, since=since)


def _of_failed_start(container: ContainerView) -> PendingReason | None:
    """Why a container ended that should run, and will be started again in a while."""
    ended = container.exit
    if ended is None:
        return None
    text = f"{ended.reason or 'Error'}: {one_line(ended.message)}"
    message = f"The container {container.name} does not start: {text}"
    return PendingReason("container_crashes", message, _CREATE_HINT, TimeoutKind.NONE)


def of_crashes(container: ContainerView) -> PendingReason | None:
    """Why a container is not restarted at once; a running runner decides what that means."""
    if container.waiting_reason != "CrashLoopBackOff":
        return None
    last = container.last_exit or container.exit
    reason = last.reason if last and last.reason else "Error"
    code = "unknown" if last is None or last.code is None else last.code
    text = f"The container {container.name} keeps crashing: {reason}, exit code {code}"
    hint = f"Its log says why: `kubectl logs POD -c {container.name} --previous`."
    return PendingReason("container_crashes", text, hint, TimeoutKind.NONE)


_SIGTERM_EXIT = 143
_KILLED: Mapping[int, tuple[str, str]] = {
    137: ("killed", "It was killed before it could report."),
    255: ("runtime_lost", "The node's container runtime lost its container."),
}
_OOM_HINT = "Raise the memory limits in the chart's values, or make the task smaller."
_DISRUPTIONS: Mapping[str, tuple[str, str]] = {
    "Evicted": ("evicted", "The node evicted the pod"),
    "EvictionByEvictionAPI": ("evicted", "It was evicted, as when a node is drained"),
    "Preempting": ("preempted", "A pod of higher priority took its place"),
    "PreemptionByScheduler": ("preempted", "A pod of higher priority took its place"),
    "NodeLost": ("node_lost", "The node was lost"),
    "DeletionByTaintManager": ("node_tainted", "Its node was tainted: drained, or unreachable"),
    "DeletionByPodGC": ("node_lost", "Its node is gone"),
    "NodeShutdown": ("node_shutdown", "The node was shut down"),
    "Shutdown": ("node_shutdown", "The node was shut down"),
    "Terminated": ("node_shutdown", "The node was shut down"),
    "TerminationByKubelet": ("node_shutdown", "The node ended the pod"),
    "UnexpectedAdmissionError": ("node_refused", "The node refused the pod"),
    "NodeAffinity": ("node_refused", "The node does not fit the pod"),
    "OutOfcpu": ("node_refused", "The node had no room for the pod"),
    "OutOfmemory": ("node_refused", "The node had no room for the pod"),
    "OutOfpods": ("node_refused", "The node had no room for the pod"),
    "OutOfephemeral-storage": ("node_refused", "The node had no room for the pod"),
}
_AGENT_CODES = ("agent_failed", "agent_server_died", "agent_server_hung", "agent_server_late")


def cause_of_end(pod: PodView, job: JobView | None) -> TerminationCause | None:
    """Return what ended a pod from outside; None where it ended on its own."""
    if pod.reason == "DeadlineExceeded":
        text = "The pod's deadline ended it before the worker's own timeout could."
        return TerminationCause(
            Outcome.TIMED_OUT, "pod_deadline", text, "Raise limits.run_seconds."
        )
    return (
        _disrupted(pod)
        or _out_of_time(job)
        or _out_of_memory(pod)
        or _by_container(pod.container(RUNNER).exit, leaving=pod.is_deleting)
    )


def cause_of_leaving(pod: PodView) -> TerminationCause | None:
    """Return why a pod that still runs is about to end; None if it may stay."""
    if not pod.is_deleting:
        return None
    return _disrupted(pod) or TerminationCause(
        Outcome.INTERRUPTED, "pod_deleted", "Its pod was deleted."
    )


def cause_without_pod(job: JobView) -> TerminationCause | None:
    """Return what ended a Job whose pod is gone; None if it completed."""
    if job.true_conditions & {"Complete", "SuccessCriteriaMet"}:
        return None
    if _failure_reason(job) == "PodFailurePolicy":
        text = "Its pod was removed from its node: evicted, preempted, drained or shut down."
        return TerminationCause(Outcome.INTERRUPTED, "evicted", text)
    text = "Its pod is gone: it was deleted, or its node was."
    return _out_of_time(job) or TerminationCause(Outcome.INTERRUPTED, "pod_deleted", text)


def _failure_reason(job: JobView) -> str:
    failed = job.condition("Failed") or job.condition("FailureTarget")
    return failed.reason if failed else ""


def _disrupted(pod: PodView) -> TerminationCause | None:
    disruption = pod.condition("DisruptionTarget")
    found = [(pod.reason, pod.message)]
    if disruption:
        found.append((disruption.reason, disruption.message))
    for reason, detail in found:
        if reason in _DISRUPTIONS:
            code, text = _DISRUPTIONS[reason]
            return TerminationCause(
                Outcome.INTERRUPTED, code, f"{text}: {detail}" if detail else f"{text}."
            )
    return None


def _out_of_time(job: JobView | None) -> TerminationCause | None:
    if job is None or _failure_reason(job) != "DeadlineExceeded":
        return None
    text = "The Job's own deadline ended it."
    return TerminationCause(Outcome.TIMED_OUT, "job_deadline", text, "Raise limits.queue_seconds.")


def _out_of_memory(pod: PodView) -> TerminationCause | None:
    """Return that memory ran out; the runtime notes it also of a container that survived it."""
    runner, agent = pod.container(RUNNER), pod.container(AGENT)
    if _is_oom(runner.exit):
        text = "It ran out of memory and was killed."
    elif _is_oom(agent.exit) or _is_oom(agent.last_exit):
        text = "The agent's container ran out of memory and was killed."
    else:
        return None
    return TerminationCause(Outcome.INTERRUPTED, "out_of_memory", text, _OOM_HINT, _AGENT_CODES)


def _is_oom(ended: ContainerExit | None) -> bool:
    return ended is not None and ended.reason == "OOMKilled"


def _by_container(ended: ContainerExit | None, *, leaving: bool) -> TerminationCause | None:
    if ended is not None and ended.reason in {"StartError", "ContainerCannotRun"}:
        text = f"Its container could not start: {one_line(ended.message)}"
        return TerminationCause(
            Outcome.REJECTED, "container_not_started", text, "Correct the image."
        )
    if leaving:
        return TerminationCause(Outcome.INTERRUPTED, "pod_deleted", "Its pod was deleted.")
    if ended is None:
        return None
    if ended.reason == "ContainerStatusUnknown":
        text = "The node lost track of its container: it restarted, or was lost."
        return TerminationCause(Outcome.INTERRUPTED, "node_lost", text)
    if ended.code is None:
        return None
    return _by_exit_code(ended.code, reported=bool(ended.message))


def _by_exit_code(code: int, *, reported: bool) -> TerminationCause | None:
    if code in _KILLED:
        return TerminationCause(Outcome.INTERRUPTED, *_KILLED[code])
    if code in {0, _SIGTERM_EXIT} or reported:
        return None
    text = f"Its runner exited with code {code} without a report."
    hint = "Check that the image is the chart's own."
    return TerminationCause(Outcome.FAILED, "no_report", text, hint)
