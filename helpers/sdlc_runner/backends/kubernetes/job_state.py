"""Where an attempt is, and why it is not further, by its Job, its pod and their events.

Pure: objects in, a state out. The reasons are in ``reasons``. Pods and events belong to a Job by
uid, because a name may be used again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from sdlc_runner.attempt.spec import BackendStatus, TerminationCause
from sdlc_runner.backends.kubernetes import reasons
from sdlc_runner.backends.kubernetes.job_spec import AGENT, CANCELLED, GIVEN_UP, RUNNER
from sdlc_runner.backends.kubernetes.objects import last_time, newest, one_line
from sdlc_runner.backends.kubernetes.reasons import PendingReason, TimeoutKind
from sdlc_runner.events.codec import clean
from sdlc_runner.events.types import Outcome, PhaseName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sdlc_runner.backends.kubernetes.objects import EventView, JobView, PodView

_TEXT_LIMIT = 300
_ENDED = frozenset({"Failed", "Succeeded"})
_GOOD = frozenset({"Complete", "SuccessCriteriaMet"})
_OVER = _GOOD | {"Failed", "FailureTarget"}


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
    def in_events(self) -> PhaseName | None:
        """The phase that events name; None where they have none."""
        try:
            return PhaseName(self.value)
        except ValueError:
            return None


@dataclass(frozen=True)
class JobState:
    """Where an attempt is; ``reason`` is what holds it up, or is about to end it.

    ``since`` is when the timeout that applies began to count, by the cluster's own clock. ``ran``:
    there is, or was, a log.
    """

    phase: JobPhase
    detail: str = ""
    reason: PendingReason | None = None
    ending: BackendStatus = field(default_factory=BackendStatus)
    pod: str = ""
    since: float | None = None
    ran: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.phase in {JobPhase.ENDED, JobPhase.GONE}

    @property
    def clock(self) -> TimeoutKind:
        """The timeout that applies now."""
        match self.phase:
            case JobPhase.RUNNING | JobPhase.ENDED | JobPhase.GONE:
                return TimeoutKind.NONE
            case JobPhase.QUEUED:
                return TimeoutKind.QUEUE
            case JobPhase.PENDING | JobPhase.PULLING | JobPhase.STARTING:
                return self.reason.clock if self.reason else TimeoutKind.START


def states(
    jobs: Iterable[JobView], pods: Iterable[PodView], events: Iterable[EventView]
) -> dict[str, JobState]:
    """Return the state of each attempt by its Job's uid, also where only its pod is left."""
    newest_pods: dict[str, PodView] = {}
    for pod in pods:
        other = newest_pods.get(pod.job)
        if other is None or (other.created or 0) < (pod.created or 0):
            newest_pods[pod.job] = pod
    by_uid: dict[str, JobView | None] = dict.fromkeys(newest_pods)
    by_uid.update({job.uid: job for job in jobs})
    about: dict[str, list[EventView]] = {}
    for event in events:
        about.setdefault(event.about, []).append(event)

    def state(uid: str, job: JobView | None) -> JobState:
        pod = newest_pods.get(uid)
        of_pod = about.get(pod.uid, ()) if pod else ()
        return state_of(job, pod, [*about.get(uid, ()), *of_pod])

    return {uid: state(uid, job) for uid, job in by_uid.items()}


def state_of(job: JobView | None, pod: PodView | None, events: Sequence[EventView]) -> JobState:
    """Return where an attempt is, by the newest that the cluster says of it."""
    cancelled = job is not None and CANCELLED in job.annotations
    alive = BackendStatus(known=True, alive=True, cancelled=cancelled)
    if pod is None:
        if job is None:
            return JobState(JobPhase.GONE)
        ending = _ending_without_pod(job, cancelled=cancelled)
        if ending is not None:
            return JobState(JobPhase.ENDED, ending=ending)
        return _timed(replace(_without_pod(job, events), ending=alive), job.created)
    if has_ended(pod):
        ending = _ending(job, pod, cancelled=cancelled)
        return JobState(JobPhase.ENDED, ending=ending, pod=pod.name, ran=_has_run(pod))
    if pod.container(RUNNER).is_running:
        held_up = reasons.of_crashes(pod.container(AGENT))
        cause = None if cancelled else reasons.cause_of_leaving(pod)
        if cause is not None:
            text = f"{cause.message} Its work is being saved."
            held_up = PendingReason(cause.code, text, "", TimeoutKind.NONE)
        return JobState(JobPhase.RUNNING, "", held_up, alive, pod.name, ran=True)
    waiting = replace(_with_pod(pod, events), ending=alive, pod=pod.name)
    return _timed(waiting, (job or pod).created)


def has_ended(pod: PodView) -> bool:
    """Whether a pod's runner will do nothing more."""
    return pod.container(RUNNER).exit is not None or pod.phase in _ENDED


def _has_run(pod: PodView) -> bool:
    """Whether a runner that ended had begun; one whose node is gone still says that it runs."""
    runner = pod.container(RUNNER)
    return runner.is_running or (runner.exit is not None and runner.exit.has_run)


def _ending(job: JobView | None, pod: PodView, *, cancelled: bool) -> BackendStatus:
    ended = pod.container(RUNNER).exit
    given_up = None if _has_run(pod) else _given_up(job)
    return BackendStatus(
        known=True,
        cancelled=cancelled,
        exit_code=ended.code if ended else None,
        claim=_json_object(ended.message) if ended else {},
        cause=given_up or reasons.cause_of_end(pod, job),
    )


def _ending_without_pod(job: JobView, *, cancelled: bool) -> BackendStatus | None:
    """Return how a Job without a pod ended; None if it has not."""
    given_up = _given_up(job)
    over = _OVER & job.true_conditions
    # A queue may hold it for ever; nothing will come of it: see ``jobs.end``.
    held = job.is_suspended and (cancelled or given_up is not None)
    if not (over or held):
        return None
    code = 0 if over & _GOOD else None
    cause = given_up or reasons.cause_without_pod(job)
    return BackendStatus(known=True, cancelled=cancelled, exit_code=code, cause=cause)


def _timed(state: JobState, created: float | None) -> JobState:
    """Set when the timeout that applies began to count; ``state.since`` is when the start did."""
    match state.clock:
        case TimeoutKind.QUEUE:
            since = created
        case TimeoutKind.START:
            since = state.since
        case TimeoutKind.GRACE | TimeoutKind.AT_ONCE | TimeoutKind.NONE:
            since = state.reason.since if state.reason else None
    return replace(state, since=since)


def _without_pod(job: JobView, events: Sequence[EventView]) -> JobState:
    """Return why a Job that has not ended has no pod."""
    if job.is_suspended:
        return JobState(
            JobPhase.QUEUED, "the Job is suspended until a queue or a person resumes it"
        )
    since = job.started or job.created
    held_up = reasons.of_creation(events)
    queued = held_up is not None and held_up.clock is TimeoutKind.QUEUE
    phase = JobPhase.QUEUED if queued else JobPhase.PENDING
    return JobState(phase, "no pod yet", held_up, since=since)


def _with_pod(pod: PodView, events: Sequence[EventView]) -> JobState:
    """Return what a pod waits for whose runner has not started."""
    scheduled = pod.condition("PodScheduled")
    if scheduled is None:
        return _unscheduled(pod)
    since = scheduled.since or pod.created
    for name in (AGENT, RUNNER):
        held_up = reasons.of_waiting(pod.container(name), events)
        if held_up is not None:
            pulling = held_up.code.startswith("image")
            phase = JobPhase.PULLING if pulling else JobPhase.STARTING
            return JobState(phase, "", held_up, since=since)
    mounted = pod.condition("PodReadyToStartContainers") is not None
    volumes = None if mounted else reasons.of_volumes(events)
    if volumes is not None:
        return JobState(JobPhase.PENDING, "", volumes, since=since)
    pull, pulled = newest(events, "Pulling"), newest(events, "Pulled")
    if pull is not None and pull.last > last_time(pulled):
        return JobState(JobPhase.PULLING, one_line(pull.message), since=since)
    return JobState(JobPhase.STARTING if mounted or pulled else JobPhase.PENDING, since=since)


def _unscheduled(pod: PodView) -> JobState:
    condition = pod.condition("PodScheduled", is_true=False)
    if condition is None:  # the scheduler has not looked at it
        return JobState(JobPhase.PENDING, since=pod.created)
    if condition.reason == "SchedulingGated":
        return JobState(JobPhase.QUEUED, f"a scheduling gate holds the pod: {condition.message}")
    return JobState(JobPhase.PENDING, "", reasons.of_scheduling(condition))


def _json_object(message: str) -> dict[str, Any]:
    """Read a JSON object from text that may be anything; empty if it is none."""
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _given_up(job: JobView | None) -> TerminationCause | None:
    """Read why a follower gave the attempt up before it began."""
    found = _json_object(str(job.annotations.get(GIVEN_UP, ""))) if job else {}
    if not found:
        return None
    code, message, hint = (
        clean(str(found.get(name, "")), _TEXT_LIMIT) for name in ("code", "message", "hint")
    )
    return TerminationCause(Outcome.REJECTED, code, message, hint)
