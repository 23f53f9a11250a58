"""What a Job, its pod and their events mean: where an attempt is, and why it is not further.

Pure: objects in, a state out. The tables are in ``trouble`` and ``causes``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sdlc_runner.attempt.exit_state import BackendStatus, TerminationCause
from sdlc_runner.backends.kubernetes import pending_reasons, pending_state
from sdlc_runner.backends.kubernetes.job_spec import AGENT, CANCELLED, GIVEN_UP, RUNNER
from sdlc_runner.backends.kubernetes.object_fields import (
    conditions,
    created,
    has_run,
    notes_of,
    seconds_of,
    status_of,
    terminated,
)
from sdlc_runner.backends.kubernetes.pending_reasons import PendingReason, TimeoutKind
from sdlc_runner.backends.kubernetes.pending_state import JobPhase
from sdlc_runner.backends.kubernetes.termination_reasons import (
    cause_of_end,
    cause_without_pod,
    leaving,
)
from sdlc_runner.events.codec import clean
from sdlc_runner.events.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["JobPhase", "JobState", "has_ended", "seconds_of", "state_of"]

_TEXT = 300
_ENDED = frozenset({"Failed", "Succeeded"})
_GOOD = frozenset({"Complete", "SuccessCriteriaMet"})
_OVER = _GOOD | {"Failed", "FailureTarget"}


@dataclass(frozen=True)
class JobState:
    """Where an attempt is; ``trouble`` is what holds it up, or is about to end it.

    ``since`` is when the clock that runs now began, by the cluster's own clock. ``ran``: there is,
    or was, a log.
    """

    stage: JobPhase
    detail: str = ""
    trouble: PendingReason | None = None
    ending: BackendStatus = field(default_factory=BackendStatus)
    pod: str = ""
    since: float | None = None
    ran: bool = False

    @property
    def clock(self) -> TimeoutKind:
        """The clock that runs now."""
        match self.stage:
            case JobPhase.RUNNING | JobPhase.ENDED | JobPhase.GONE:
                return TimeoutKind.NONE
            case JobPhase.QUEUED:
                return TimeoutKind.QUEUE
            case JobPhase.PENDING | JobPhase.PULLING | JobPhase.STARTING:
                return self.trouble.clock if self.trouble else TimeoutKind.START


def state_of(
    job: Mapping[str, Any] | None,
    pod: Mapping[str, Any] | None,
    events: Sequence[Mapping[str, Any]],
) -> JobState:
    """Tell where an attempt is by the newest that the cluster says of it."""
    cancelled = CANCELLED in notes_of(job)
    if pod is None:
        return _without_pod(job, events, cancelled=cancelled)
    name = str(pod["metadata"]["name"])
    if has_ended(pod):
        ending = _ending(job, pod, cancelled=cancelled)
        return JobState(JobPhase.ENDED, ending=ending, pod=name, ran=_has_run(pod))
    alive = BackendStatus(known=True, alive=True, cancelled=cancelled)
    if (status_of(pod, RUNNER).get("state") or {}).get("running"):
        held_up = pending_reasons.of_crashes(status_of(pod, AGENT))
        cause = None if cancelled else leaving(pod)
        if cause is not None:
            text = f"{cause.message} Its work is being saved."
            held_up = PendingReason(cause.code, text, "", TimeoutKind.NONE)
        return JobState(JobPhase.RUNNING, "", held_up, alive, name, ran=True)
    return _waiting(pending_state.with_pod(pod, events), job or pod, alive, name)


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's runner will do nothing more."""
    ended = terminated(status_of(pod, RUNNER))
    return bool(ended) or (pod.get("status") or {}).get("phase") in _ENDED


def _has_run(pod: Mapping[str, Any]) -> bool:
    """Whether a runner that ended had begun; one whose node is gone still says that it runs."""
    status = status_of(pod, RUNNER)
    return "running" in (status.get("state") or {}) or has_run(terminated(status))


def _ending(
    job: Mapping[str, Any] | None, pod: Mapping[str, Any], *, cancelled: bool
) -> BackendStatus:
    ended = terminated(status_of(pod, RUNNER))
    given_up = None if _has_run(pod) else _given_up(job)
    code = ended.get("exitCode")
    return BackendStatus(
        known=True,
        cancelled=cancelled,
        exit_code=code if isinstance(code, int) else None,
        claim=_claim(ended.get("message")),
        cause=given_up or cause_of_end(pod, job),
    )


def _without_pod(
    job: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]], *, cancelled: bool
) -> JobState:
    if job is None:
        return JobState(JobPhase.GONE, ending=BackendStatus(known=False))
    given_up = _given_up(job)
    over = _OVER & set(conditions(job))
    # A queue may hold it for ever; nothing comes of it any more: see ``kube.jobs``.
    held = bool(job["spec"].get("suspend")) and (cancelled or given_up is not None)
    if over or held:
        code = 0 if over & _GOOD else None
        cause = given_up or cause_without_pod(job)
        ending = BackendStatus(known=True, cancelled=cancelled, exit_code=code, cause=cause)
        return JobState(JobPhase.ENDED, ending=ending)
    alive = BackendStatus(known=True, alive=True, cancelled=cancelled)
    return _waiting(pending_state.without_pod(job, events), job, alive, "")


def _waiting(
    found: pending_state.Waiting, job: Mapping[str, Any], alive: BackendStatus, pod: str
) -> JobState:
    """Add when the clock that runs began."""
    state = JobState(found.stage, found.detail, found.trouble, alive, pod)
    match state.clock:
        case TimeoutKind.QUEUE:
            since = created(job)
        case TimeoutKind.START:
            since = found.since
        case TimeoutKind.GRACE | TimeoutKind.AT_ONCE | TimeoutKind.NONE:
            since = found.trouble.since if found.trouble else None
    return JobState(found.stage, found.detail, found.trouble, alive, pod, since)


def _claim(message: object) -> dict[str, Any]:
    """Read the runner's termination message; it is a claim, and may be anything."""
    try:
        found = json.loads(str(message))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _given_up(job: Mapping[str, Any] | None) -> TerminationCause | None:
    """Read why a follower gave the attempt up before it began."""
    found = _claim(notes_of(job).get(GIVEN_UP))
    if not found:
        return None
    code, message, hint = (
        clean(str(found.get(name, "")), _TEXT) for name in ("code", "message", "hint")
    )
    return TerminationCause(Outcome.REJECTED, code, message, hint)
