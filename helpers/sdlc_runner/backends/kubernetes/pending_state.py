"""Where an attempt is whose runner does not run yet, and what holds it up. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.backends.kubernetes import pending_reasons
from sdlc_runner.backends.kubernetes.job_spec import AGENT, RUNNER
from sdlc_runner.backends.kubernetes.object_fields import (
    conditions,
    created,
    last_time,
    newest,
    said,
    seconds_of,
    status_of,
)
from sdlc_runner.backends.kubernetes.pending_reasons import PendingReason, TimeoutKind
from sdlc_runner.events.types import PhaseName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Events = Sequence[Mapping[str, Any]]


class JobPhase(Enum):
    """How far an attempt has come in the cluster."""

    QUEUED = "queued"
    PENDING = "pending"
    PULLING = "pulling"
    STARTING = "starting"
    RUNNING = "running"
    ENDED = "ended"
    GONE = "gone"

    @property
    def phase(self) -> PhaseName | None:
        """The phase that events name."""
        try:
            return PhaseName(self.value)
        except ValueError:
            return None


class Waiting(NamedTuple):
    """A stage before running; ``since`` is when the clock of the start began, by the cluster's."""

    stage: JobPhase
    detail: str = ""
    trouble: PendingReason | None = None
    since: float | None = None


def without_pod(job: Mapping[str, Any], events: Events) -> Waiting:
    """Tell why a Job that has not ended has no pod."""
    if job["spec"].get("suspend"):
        return Waiting(JobPhase.QUEUED, "the Job is suspended: a queue, or a person, lets it go")
    since = seconds_of((job.get("status") or {}).get("startTime")) or created(job)
    held_up = pending_reasons.of_creation(events)
    queued = held_up is not None and held_up.clock is TimeoutKind.QUEUE
    return Waiting(JobPhase.QUEUED if queued else JobPhase.PENDING, "no pod yet", held_up, since)


def with_pod(pod: Mapping[str, Any], events: Events) -> Waiting:
    """Tell what a pod waits for whose runner has not started."""
    scheduled = conditions(pod).get("PodScheduled")
    if scheduled is None:
        return _unscheduled(pod)
    since = seconds_of(scheduled.get("lastTransitionTime")) or created(pod)
    statuses = [status_of(pod, name) for name in (AGENT, RUNNER)]
    found = [held_up for item in statuses if (held_up := pending_reasons.of_waiting(item, events))]
    if found:
        pulling = found[0].code.startswith("image")
        return Waiting(JobPhase.PULLING if pulling else JobPhase.STARTING, "", found[0], since)
    mounted = "PodReadyToStartContainers" in conditions(pod)
    volumes = None if mounted else pending_reasons.of_volumes(events)
    if volumes is not None:
        return Waiting(JobPhase.PENDING, "", volumes, since)
    pull, pulled = newest(events, "Pulling"), newest(events, "Pulled")
    if pull is not None and last_time(pull) > last_time(pulled):
        return Waiting(JobPhase.PULLING, said(pull.get("message")), None, since)
    return Waiting(JobPhase.STARTING if mounted or pulled else JobPhase.PENDING, "", None, since)


def _unscheduled(pod: Mapping[str, Any]) -> Waiting:
    condition = conditions(pod, wanted="False").get("PodScheduled")
    if condition is None:  # the scheduler has not looked at it
        return Waiting(JobPhase.PENDING, "", None, created(pod))
    if condition.get("reason") == "SchedulingGated":
        return Waiting(JobPhase.QUEUED, f"a scheduling gate holds it: {said(condition['message'])}")
    return Waiting(JobPhase.PENDING, "", pending_reasons.of_scheduling(condition))
