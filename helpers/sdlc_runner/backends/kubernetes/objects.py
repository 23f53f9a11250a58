"""Kubernetes objects as this package reads them: parsed once, whatever is missing. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.events.codec import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TEXT_LIMIT = 300


def one_line(value: object) -> str:
    """Return a message of the cluster as one line of at most 300 characters, safe to print."""
    return clean(re.sub(r"\s+", " ", str(value or "")), _TEXT_LIMIT).strip()


def seconds_of(time_text: object) -> float | None:
    """Return a timestamp of the API in seconds of the epoch; None where there is none."""
    text = re.sub(r"\.(\d{1,6})\d*", lambda match: "." + match[1].ljust(6, "0"), str(time_text))
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


class Condition(NamedTuple):
    """One condition of an object; ``since`` is its last transition."""

    is_true: bool
    reason: str
    message: str
    since: float | None


@dataclass(frozen=True)
class ObjectView:
    """What Jobs and pods have in common. Times are seconds of the epoch, by the cluster's clock."""

    name: str = ""
    uid: str = ""
    created: float | None = None
    is_deleting: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, Condition] = field(default_factory=dict)

    def condition(self, type_: str, *, is_true: bool = True) -> Condition | None:
        """Return the condition of a type if it has the wanted status."""
        found = self.conditions.get(type_)
        return found if found is not None and found.is_true is is_true else None

    @classmethod
    def of(cls, of: Mapping[str, Any]) -> ObjectView:
        """Parse what all objects have."""
        return ObjectView(**_common(of))

    @property
    def true_conditions(self) -> frozenset[str]:
        """The types of the conditions that hold."""
        return frozenset(name for name, item in self.conditions.items() if item.is_true)


@dataclass(frozen=True)
class JobView(ObjectView):
    """A Job; ``started`` is when its controller took it up."""

    is_suspended: bool = False
    started: float | None = None

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> JobView:
        """Parse a Job of the API."""
        return cls(
            **_common(job),
            is_suspended=bool((job.get("spec") or {}).get("suspend")),
            started=seconds_of((job.get("status") or {}).get("startTime")),
        )


class ContainerExit(NamedTuple):
    """How a container ended; ``message`` is as it was written, and may be anything."""

    reason: str
    message: str
    code: int | None
    started: float | None

    @property
    def has_run(self) -> bool:
        """Whether it had begun; a container that never did has no start, or the epoch's."""
        return (self.started or 0) > 0


@dataclass(frozen=True)
class ContainerView:
    """The state of one container, a sidecar included; empty before there is one."""

    name: str = ""
    is_running: bool = False
    waiting_reason: str = ""
    waiting_message: str = ""
    exit: ContainerExit | None = None
    last_exit: ContainerExit | None = None
    """How its run before this one ended."""

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> ContainerView:
        """Parse a container status of the API."""
        state, last = status.get("state") or {}, status.get("lastState") or {}
        waiting = state.get("waiting") or {}
        return cls(
            name=str(status.get("name", "")),
            is_running=state.get("running") is not None,
            waiting_reason=str(waiting.get("reason") or ""),
            waiting_message=one_line(waiting.get("message")),
            exit=_exit(state.get("terminated")),
            last_exit=_exit(last.get("terminated")),
        )


_NO_CONTAINER = ContainerView()


@dataclass(frozen=True)
class PodView(ObjectView):
    """A pod; ``job`` is the uid of the Job that made it, empty for none."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    job: str = ""
    containers: Mapping[str, ContainerView] = field(default_factory=dict)

    @classmethod
    def of(cls, pod: Mapping[str, Any]) -> PodView:
        """Parse a pod of the API."""
        status = pod.get("status") or {}
        owners = (pod.get("metadata") or {}).get("ownerReferences") or []
        statuses = (
            *(status.get("initContainerStatuses") or ()),
            *(status.get("containerStatuses") or ()),
        )
        views = map(ContainerView.of, statuses)
        return cls(
            **_common(pod),
            phase=str(status.get("phase") or ""),
            reason=str(status.get("reason") or ""),
            message=one_line(status.get("message")),
            job=next((str(item["uid"]) for item in owners if item.get("kind") == "Job"), ""),
            containers={view.name: view for view in views},
        )

    def container(self, name: str) -> ContainerView:
        """Return a container's state; empty before there is one."""
        return self.containers.get(name, _NO_CONTAINER)


class EventView(NamedTuple):
    """An event of the cluster; ``about`` is the uid of the object it is about."""

    reason: str
    message: str
    about: str
    times: int
    first: float
    last: float

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> EventView:
        """Parse an event of the API."""
        involved = event.get("involvedObject")
        created = (event.get("metadata") or {}).get("creationTimestamp")
        first = _first_of(event.get("firstTimestamp"), event.get("eventTime"), created)
        series = event.get("series") or {}
        last = _first_of(series.get("lastObservedTime"), event.get("lastTimestamp")) or first
        about = str(involved.get("uid", "")) if isinstance(involved, dict) else ""
        count = event.get("count")
        return cls(
            reason=str(event.get("reason") or ""),
            message=str(event.get("message") or ""),
            about=about,
            times=count if isinstance(count, int) else 1,
            first=first,
            last=last,
        )


def newest(events: Iterable[EventView], *reasons: str) -> EventView | None:
    """Return the newest event with one of the reasons."""
    found = [event for event in events if event.reason in reasons]
    return max(found, key=lambda event: event.last, default=None)


def last_time(event: EventView | None) -> float:
    """Return when an event was last seen; 0 for none."""
    return event.last if event else 0


def _first_of(*times: object) -> float:
    """Return the first of several timestamps that is one; 0 if none is."""
    return next((seconds for item in times if (seconds := seconds_of(item))), 0)


def _common(of: Mapping[str, Any]) -> dict[str, Any]:
    meta = of.get("metadata") or {}
    return {
        "name": str(meta.get("name") or ""),
        "uid": str(meta.get("uid") or ""),
        "created": seconds_of(meta.get("creationTimestamp")),
        "is_deleting": bool(meta.get("deletionTimestamp")),
        "labels": meta.get("labels") or {},
        "annotations": meta.get("annotations") or {},
        "conditions": _conditions(of),
    }


def _conditions(of: Mapping[str, Any]) -> dict[str, Condition]:
    """Return an object's conditions by type, those of unknown status left out."""
    found = (of.get("status") or {}).get("conditions") or []
    return {
        str(item["type"]): Condition(
            item.get("status") == "True",
            str(item.get("reason") or ""),
            one_line(item.get("message")),
            seconds_of(item.get("lastTransitionTime")),
        )
        for item in found
        if item.get("status") in {"True", "False"}
    }


def _exit(terminated: Mapping[str, Any] | None) -> ContainerExit | None:
    if not terminated:
        return None
    code = terminated.get("exitCode")
    return ContainerExit(
        str(terminated.get("reason") or ""),
        str(terminated.get("message") or ""),
        code if isinstance(code, int) else None,
        seconds_of(terminated.get("startedAt")),
    )
