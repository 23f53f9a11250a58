"""What a Job, its pod and their events mean: where an attempt is, and why it is not further.

Pure: objects and a clock in, a state out. When to give up on waiting is one table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from sdlc_runner.ending import Cause, Ending
from sdlc_runner.events import clean
from sdlc_runner.kube import trouble
from sdlc_runner.kube.causes import cause_of_end
from sdlc_runner.kube.manifest import AGENT, CANCELLED, GIVEN_UP, RUNNER
from sdlc_runner.kube.trouble import Clock, Trouble, newest, said
from sdlc_runner.words import Outcome, PhaseName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_TEXT = 300


class Stage(Enum):
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


@dataclass(frozen=True)
class PodState:
    """Where an attempt is; ``trouble`` is what holds it up, if anything is known to."""

    stage: Stage
    detail: str = ""
    trouble: Trouble | None = None
    ending: Ending = field(default_factory=Ending)
    pod: str = ""

    @property
    def clock(self) -> Clock:
        """The clock that runs now."""
        if self.trouble is not None:
            return self.trouble.clock
        match self.stage:
            case Stage.QUEUED:
                return Clock.QUEUE
            case Stage.PENDING | Stage.PULLING | Stage.STARTING:
                return Clock.START
            case Stage.RUNNING | Stage.ENDED | Stage.GONE:
                return Clock.NONE


def state_of(
    job: Mapping[str, Any] | None,
    pod: Mapping[str, Any] | None,
    events: Iterable[Mapping[str, Any]],
) -> PodState:
    """Tell where an attempt is by the newest that the cluster says of it."""
    notes = (job or {}).get("metadata", {}).get("annotations") or {}
    cancelled = CANCELLED in notes
    given_up = _given_up(notes)
    if pod is None:
        return _without_pod(job, list(events), given_up, cancelled=cancelled)
    runner = _status(pod, RUNNER)
    ended = (runner.get("state") or {}).get("terminated")
    phase = (pod.get("status") or {}).get("phase")
    if ended is not None or phase in {"Failed", "Succeeded"}:
        cause = given_up or cause_of_end(pod, ended or {})
        code = ended.get("exitCode") if ended else None
        ending = Ending(
            known=True,
            cancelled=cancelled,
            exit_code=code if isinstance(code, int) else None,
            claim=_claim((ended or {}).get("message")),
            cause=cause,
        )
        return PodState(Stage.ENDED, ending=ending, pod=_name(pod))
    alive = Ending(known=True, alive=True, cancelled=cancelled)
    if (runner.get("state") or {}).get("running"):
        return PodState(Stage.RUNNING, ending=alive, pod=_name(pod))
    stage, detail, held_up = _before_running(pod, list(events))
    return PodState(stage, detail, held_up, alive, _name(pod))


def _without_pod(
    job: Mapping[str, Any] | None,
    events: list[Mapping[str, Any]],
    given_up: Cause | None,
    *,
    cancelled: bool,
) -> PodState:
    if job is None:
        return PodState(Stage.GONE, ending=Ending(known=False))
    conditions = _conditions(job)
    for kind in ("Complete", "Failed"):
        if kind in conditions:
            cause = given_up or _cause_without_pod(conditions[kind], kind)
            code = 0 if kind == "Complete" else None
            ending = Ending(known=True, cancelled=cancelled, exit_code=code, cause=cause)
            return PodState(Stage.ENDED, ending=ending)
    alive = Ending(known=True, alive=True, cancelled=cancelled)
    if job["spec"].get("suspend"):
        detail = "the Job is suspended: a queue (Kueue, or a person) lets it go"
        return PodState(Stage.QUEUED, detail, ending=alive)
    held_up = trouble.of_creation(events)
    stage = Stage.QUEUED if held_up is None or held_up.clock is Clock.QUEUE else Stage.PENDING
    return PodState(stage, "no pod yet", held_up, alive)


def _cause_without_pod(condition: Mapping[str, Any], kind: str) -> Cause | None:
    if kind == "Complete":
        return None
    reason, message = str(condition.get("reason", "")), said(condition.get("message"))
    if reason == "DeadlineExceeded":
        text = "The Job's own deadline ended it."
        return Cause(Outcome.TIMED_OUT, "job_deadline", text, "Raise limits.queue_seconds.")
    text = f"Its pod is gone: it was deleted, or its node was. {message}".strip()
    return Cause(Outcome.INTERRUPTED, "pod_gone", text)


def _before_running(
    pod: Mapping[str, Any], events: list[Mapping[str, Any]]
) -> tuple[Stage, str, Trouble | None]:
    scheduled = _conditions(pod).get("PodScheduled")
    if scheduled is None or not (pod.get("spec") or {}).get("nodeName"):
        return _unscheduled(pod)
    waiting = [item for item in map(_waiting, (_status(pod, AGENT), _status(pod, RUNNER))) if item]
    troubles = [found for item in waiting if (found := trouble.of_waiting(*item))]
    if troubles:
        pulling = troubles[0].code.startswith("image")
        return (Stage.PULLING if pulling else Stage.STARTING), "", troubles[0]
    mount = newest(events, "FailedMount")
    if mount is not None:
        hint = "Create the Secret with its keys (README of the chart), or wait until it is synced."
        text = f"A volume cannot be mounted: {said(mount.get('message'))}"
        return Stage.STARTING, "", Trouble("volume_not_mounted", text, hint, Clock.GRACE)
    pulling = newest(events, "Pulling") is not None and newest(events, "Pulled") is None
    return (Stage.PULLING if pulling else Stage.STARTING), "", None


def _unscheduled(pod: Mapping[str, Any]) -> tuple[Stage, str, Trouble | None]:
    condition = _conditions(pod, wanted="False").get("PodScheduled")
    if condition is None:
        return Stage.PENDING, "", None
    text = said(condition.get("message"))
    if condition.get("reason") == "SchedulingGated":
        return Stage.QUEUED, f"a scheduling gate holds it: {text}", None
    hint = "It starts by itself when a node has room; `sdlc-runner cancel` gives it up."
    return (
        Stage.PENDING,
        "",
        Trouble("unschedulable", f"No node takes it: {text}", hint, Clock.QUEUE),
    )


def _waiting(status: Mapping[str, Any]) -> tuple[str, str] | None:
    waiting = (status.get("state") or {}).get("waiting")
    return (str(waiting.get("reason", "")), said(waiting.get("message"))) if waiting else None


def _status(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    status = pod.get("status") or {}
    found = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return next((item for item in found if item.get("name") == container), {})


def _conditions(of: Mapping[str, Any], wanted: str = "True") -> dict[str, Mapping[str, Any]]:
    found = (of.get("status") or {}).get("conditions") or []
    return {item["type"]: item for item in found if item.get("status") == wanted}


def _claim(message: object) -> dict[str, Any]:
    """Read the runner's termination message; it is a claim, and may be anything."""
    try:
        found = json.loads(str(message))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _given_up(notes: Mapping[str, str]) -> Cause | None:
    """Read why a follower gave the attempt up before it began."""
    found = _claim(notes.get(GIVEN_UP))
    if not found:
        return None
    texts = [clean(str(found.get(name, "")), _TEXT) for name in ("code", "message", "hint")]
    return Cause(Outcome.REJECTED, *texts)


def _name(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def seconds_of(time_text: object) -> float | None:
    """Return a timestamp of the API in seconds of the epoch."""
    try:
        return datetime.fromisoformat(str(time_text).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
