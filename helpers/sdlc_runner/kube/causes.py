"""Why a pod ended that did not end by itself: one table, by the reasons that the cluster gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdlc_runner.ending import Cause
from sdlc_runner.events import clean
from sdlc_runner.words import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGKILL = 137
_OOM_HINT = "Raise the memory limits in the chart's values, or make the task smaller."
_TABLE: Mapping[str, tuple[str, str]] = {
    "Evicted": ("evicted", "The node put the pod out"),
    "NodeLost": ("node_lost", "The node was lost"),
    "NodeShutdown": ("node_shutdown", "The node was shut down"),
    "Terminated": ("node_shutdown", "The node was shut down"),
    "Shutdown": ("node_shutdown", "The node was shut down"),
    "Preempting": ("preempted", "A pod of higher priority took its place"),
    "PreemptionByScheduler": ("preempted", "A pod of higher priority took its place"),
    "EvictionByEvictionAPI": ("evicted", "It was evicted, as when a node is drained"),
    "DeletionByTaintManager": ("node_lost", "Its node was not to be reached"),
    "DeletionByPodGC": ("node_lost", "Its node is gone"),
    "TerminationByKubelet": ("node_shutdown", "The node ended the pod"),
    "UnexpectedAdmissionError": ("node_refused", "The node refused the pod"),
    "OutOfcpu": ("node_refused", "The node had no room for the pod"),
    "OutOfmemory": ("node_refused", "The node had no room for the pod"),
    "OutOfpods": ("node_refused", "The node had no room for the pod"),
    "NodeAffinity": ("node_refused", "The node does not fit the pod"),
}


def cause_of_end(pod: Mapping[str, Any], ended: Mapping[str, Any]) -> Cause | None:
    """Return what ended a pod from outside; None where it ended by itself."""
    status = pod.get("status") or {}
    said = clean(str(status.get("message") or ended.get("message") or ""), 300)
    if status.get("reason") == "DeadlineExceeded":
        text = "The pod's deadline ended it, before its own clock could."
        return Cause(Outcome.TIMED_OUT, "pod_deadline", text, "Raise limits.run_seconds.")
    for reason in (status.get("reason"), _disruption(status), ended.get("reason")):
        if reason in _TABLE:
            code, text = _TABLE[str(reason)]
            detail = clean(str(status.get("message") or ""), 300)
            return Cause(Outcome.INTERRUPTED, code, f"{text}: {detail}" if detail else f"{text}.")
    return _by_container(ended, said)


def _by_container(ended: Mapping[str, Any], said: str) -> Cause | None:
    reason, code = str(ended.get("reason", "")), ended.get("exitCode")
    if reason == "OOMKilled":
        text = "It ran out of memory, and was killed."
        return Cause(Outcome.INTERRUPTED, "out_of_memory", text, _OOM_HINT)
    if reason == "ContainerStatusUnknown":
        text = "The node forgot its container: it was restarted, or lost."
        return Cause(Outcome.INTERRUPTED, "node_lost", text)
    if reason in {"StartError", "ContainerCannotRun"}:
        text = f"Its container could not start: {said}"
        return Cause(Outcome.REJECTED, "container_not_started", text, "Correct the image.")
    if code == _SIGKILL:
        return Cause(Outcome.INTERRUPTED, "killed", "It was killed before it could report.")
    return None


def _disruption(status: Mapping[str, Any]) -> str:
    """Return the reason of the condition DisruptionTarget."""
    for item in status.get("conditions") or []:
        if item.get("type") == "DisruptionTarget" and item.get("status") == "True":
            return str(item.get("reason", ""))
    return ""
