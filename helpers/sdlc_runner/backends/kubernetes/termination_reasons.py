"""Why a pod ended that did not end by itself: one table, by the reasons that the cluster gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdlc_runner.attempt.exit_state import TerminationCause
from sdlc_runner.backends.kubernetes.job_spec import AGENT, RUNNER
from sdlc_runner.backends.kubernetes.object_fields import (
    conditions,
    is_leaving,
    said,
    status_of,
    terminated,
)
from sdlc_runner.events.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOLD_TO_STOP = 143
_KILLED: Mapping[int, tuple[str, str]] = {
    137: ("killed", "It was killed before it could report."),
    255: ("runtime_lost", "The node's container runtime lost its container."),
}
_OOM_HINT = "Raise the memory limits in the chart's values, or make the task smaller."
_TABLE: Mapping[str, tuple[str, str]] = {
    "Evicted": ("evicted", "The node put the pod out"),
    "EvictionByEvictionAPI": ("evicted", "It was evicted, as when a node is drained"),
    "Preempting": ("preempted", "A pod of higher priority took its place"),
    "PreemptionByScheduler": ("preempted", "A pod of higher priority took its place"),
    "NodeLost": ("node_lost", "The node was lost"),
    "DeletionByTaintManager": ("node_tainted", "Its node was tainted: drained, or not reached"),
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


def cause_of_end(pod: Mapping[str, Any], job: Mapping[str, Any] | None) -> TerminationCause | None:
    """Return what ended a pod from outside; None where it ended by itself."""
    status = pod.get("status") or {}
    if status.get("reason") == "DeadlineExceeded":
        text = "The pod's deadline ended it, before its own clock could."
        return TerminationCause(
            Outcome.TIMED_OUT, "pod_deadline", text, "Raise limits.run_seconds."
        )
    return (
        _disrupted(pod)
        or _out_of_time(job)
        or _out_of_memory(pod)
        or _by_container(terminated(status_of(pod, RUNNER)), leaving=is_leaving(pod))
    )


def leaving(pod: Mapping[str, Any]) -> TerminationCause | None:
    """Return why a pod that still runs is about to end; None if it may stay."""
    if not is_leaving(pod):
        return None
    return _disrupted(pod) or TerminationCause(
        Outcome.INTERRUPTED, "pod_deleted", "Its pod was deleted."
    )


def cause_without_pod(job: Mapping[str, Any]) -> TerminationCause | None:
    """Return what ended a Job whose pod is not to be seen any more; None if it completed."""
    found = conditions(job)
    if "Complete" in found or "SuccessCriteriaMet" in found:
        return None
    failed = found.get("Failed") or found.get("FailureTarget") or {}
    if failed.get("reason") == "PodFailurePolicy":
        text = "It was put out of its node: evicted, preempted, drained or shut down."
        return TerminationCause(Outcome.INTERRUPTED, "evicted", text)
    text = "Its pod is gone: it was deleted, or its node was."
    return _out_of_time(job) or TerminationCause(Outcome.INTERRUPTED, "pod_deleted", text)


def _disrupted(pod: Mapping[str, Any]) -> TerminationCause | None:
    status = pod.get("status") or {}
    disruption = conditions(pod).get("DisruptionTarget", {})
    for reason, message in (
        (status.get("reason"), status.get("message")),
        (disruption.get("reason"), disruption.get("message")),
    ):
        if reason in _TABLE:
            code, text = _TABLE[str(reason)]
            detail = said(message)
            return TerminationCause(
                Outcome.INTERRUPTED, code, f"{text}: {detail}" if detail else f"{text}."
            )
    return None


def _out_of_time(job: Mapping[str, Any] | None) -> TerminationCause | None:
    found = conditions(job or {})
    failed = found.get("Failed") or found.get("FailureTarget") or {}
    if failed.get("reason") != "DeadlineExceeded":
        return None
    text = "The Job's own deadline ended it."
    return TerminationCause(Outcome.TIMED_OUT, "job_deadline", text, "Raise limits.queue_seconds.")


def _out_of_memory(pod: Mapping[str, Any]) -> TerminationCause | None:
    """Tell that memory ran out; the runtime notes it also of a container that outlived it."""
    if terminated(status_of(pod, RUNNER)).get("reason") == "OOMKilled":
        text = "It ran out of memory, and was killed."
        return TerminationCause(Outcome.INTERRUPTED, "out_of_memory", text, _OOM_HINT, _AGENT_CODES)
    agent = status_of(pod, AGENT)
    last = (agent.get("lastState") or {}).get("terminated") or {}
    if "OOMKilled" in {terminated(agent).get("reason"), last.get("reason")}:
        text = "The agent's container ran out of memory, and was killed."
        return TerminationCause(Outcome.INTERRUPTED, "out_of_memory", text, _OOM_HINT, _AGENT_CODES)
    return None


def _by_container(ended: Mapping[str, Any], *, leaving: bool) -> TerminationCause | None:
    reason, code = str(ended.get("reason", "")), ended.get("exitCode")
    interrupted = ""
    if reason in {"StartError", "ContainerCannotRun"}:
        text = f"Its container could not start: {said(ended.get('message'))}"
        return TerminationCause(
            Outcome.REJECTED, "container_not_started", text, "Correct the image."
        )
    if leaving:
        interrupted, text = "pod_deleted", "Its pod was deleted."
    elif reason == "ContainerStatusUnknown":
        interrupted, text = "node_lost", "The node forgot its container: it restarted, or was lost."
    elif isinstance(code, int) and code in _KILLED:
        interrupted, text = _KILLED[code]
    elif code not in {None, 0, _TOLD_TO_STOP} and not ended.get("message"):
        text = f"Its runner ended with exit code {code}, and did not say why."
        return TerminationCause(
            Outcome.FAILED, "no_report", text, "Is the image the one of the chart?"
        )
    return TerminationCause(Outcome.INTERRUPTED, interrupted, text) if interrupted else None
