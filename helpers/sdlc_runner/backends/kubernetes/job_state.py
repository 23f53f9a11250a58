"""What a Job, its pod and their events mean: where an attempt is, and why it is not further.

Pure: objects in, a state out. The tables are in ``trouble`` and ``causes``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sdlc_runner.attempt.exit_state import Cause, Ending
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
from sdlc_runner.backends.kubernetes.pending_reasons import Clock, Trouble
from sdlc_runner.backends.kubernetes.pending_state import Stage
from sdlc_runner.backends.kubernetes.termination_reasons import (
    cause_of_end,
    cause_without_pod,
    leaving,
)
from sdlc_runner.events.codec import clean
from sdlc_runner.events.vocabulary import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PodState", "Stage", "has_ended", "seconds_of", "state_of"]

_TEXT = 300
_ENDED = frozenset({"Failed", "Succeeded"})
_GOOD = frozenset({"Complete", "SuccessCriteriaMet"})
_OVER = _GOOD | {"Failed", "FailureTarget"}


@dataclass(frozen=True)
class PodState:
    """Where an attempt is; ``trouble`` is what holds it up, or is about to end it.

    ``since`` is when the clock that runs now began, by the cluster's own clock. ``ran``: there is,
    or was, a log.
    """

    stage: Stage
    detail: str = ""
    trouble: Trouble | None = None
    ending: Ending = field(default_factory=Ending)
    pod: str = ""
    since: float | None = None
    ran: bool = False

    @property
    def clock(self) -> Clock:
        """The clock that runs now."""
        match self.stage:
            case Stage.RUNNING | Stage.ENDED | Stage.GONE:
                return Clock.NONE
            case Stage.QUEUED:
                return Clock.QUEUE
            case Stage.PENDING | Stage.PULLING | Stage.STARTING:
                return self.trouble.clock if self.trouble else Clock.START


def state_of(
    job: Mapping[str, Any] | None,
    pod: Mapping[str, Any] | None,
    events: Sequence[Mapping[str, Any]],
) -> PodState:
    """Tell where an attempt is by the newest that the cluster says of it."""
    cancelled = CANCELLED in notes_of(job)
    if pod is None:
        return _without_pod(job, events, cancelled=cancelled)
    name = str(pod["metadata"]["name"])
    if has_ended(pod):
        ending = _ending(job, pod, cancelled=cancelled)
        return PodState(Stage.ENDED, ending=ending, pod=name, ran=_has_run(pod))
    alive = Ending(known=True, alive=True, cancelled=cancelled)
    if (status_of(pod, RUNNER).get("state") or {}).get("running"):
        held_up = pending_reasons.of_crashes(status_of(pod, AGENT))
        cause = None if cancelled else leaving(pod)
        if cause is not None:
            text = f"{cause.message} Its work is being saved."
            held_up = Trouble(cause.code, text, "", Clock.NONE)
        return PodState(Stage.RUNNING, "", held_up, alive, name, ran=True)
    return _waiting(pending_state.with_pod(pod, events), job or pod, alive, name)


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's runner will do nothing more."""
    ended = terminated(status_of(pod, RUNNER))
    return bool(ended) or (pod.get("status") or {}).get("phase") in _ENDED


def _has_run(pod: Mapping[str, Any]) -> bool:
    """Whether a runner that ended had begun; one whose node is gone still says that it runs."""
    status = status_of(pod, RUNNER)
    return "running" in (status.get("state") or {}) or has_run(terminated(status))


def _ending(job: Mapping[str, Any] | None, pod: Mapping[str, Any], *, cancelled: bool) -> Ending:
    ended = terminated(status_of(pod, RUNNER))
    given_up = None if _has_run(pod) else _given_up(job)
    code = ended.get("exitCode")
    return Ending(
        known=True,
        cancelled=cancelled,
        exit_code=code if isinstance(code, int) else None,
        claim=_claim(ended.get("message")),
        cause=given_up or cause_of_end(pod, job),
    )


def _without_pod(
    job: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]], *, cancelled: bool
) -> PodState:
    if job is None:
        return PodState(Stage.GONE, ending=Ending(known=False))
    given_up = _given_up(job)
    over = _OVER & set(conditions(job))
    # A queue may hold it for ever; nothing comes of it any more: see ``kube.jobs``.
    held = bool(job["spec"].get("suspend")) and (cancelled or given_up is not None)
    if over or held:
        code = 0 if over & _GOOD else None
        cause = given_up or cause_without_pod(job)
        ending = Ending(known=True, cancelled=cancelled, exit_code=code, cause=cause)
        return PodState(Stage.ENDED, ending=ending)
    alive = Ending(known=True, alive=True, cancelled=cancelled)
    return _waiting(pending_state.without_pod(job, events), job, alive, "")


def _waiting(
    found: pending_state.Waiting, job: Mapping[str, Any], alive: Ending, pod: str
) -> PodState:
    """Add when the clock that runs began."""
    state = PodState(found.stage, found.detail, found.trouble, alive, pod)
    match state.clock:
        case Clock.QUEUE:
            since = created(job)
        case Clock.START:
            since = found.since
        case Clock.GRACE | Clock.AT_ONCE | Clock.NONE:
            since = found.trouble.since if found.trouble else None
    return PodState(found.stage, found.detail, found.trouble, alive, pod, since)


def _claim(message: object) -> dict[str, Any]:
    """Read the runner's termination message; it is a claim, and may be anything."""
    try:
        found = json.loads(str(message))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _given_up(job: Mapping[str, Any] | None) -> Cause | None:
    """Read why a follower gave the attempt up before it began."""
    found = _claim(notes_of(job).get(GIVEN_UP))
    if not found:
        return None
    code, message, hint = (
        clean(str(found.get(name, "")), _TEXT) for name in ("code", "message", "hint")
    )
    return Cause(Outcome.REJECTED, code, message, hint)
