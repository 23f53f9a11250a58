"""Reading pieces of Kubernetes objects, any of which may be absent. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sdlc_runner.events.codec import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TEXT = 300


def status_of(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    """Return the status of a container, a sidecar included; empty before there is one."""
    status = pod.get("status") or {}
    found = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return next((item for item in found if item.get("name") == container), {})


def terminated(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how a container ended; empty if it has not."""
    return (status.get("state") or {}).get("terminated") or {}


def has_run(ended: Mapping[str, Any]) -> bool:
    """Whether a container that ended had begun; what never did has no start, or the epoch's."""
    return (seconds_of(ended.get("startedAt")) or 0) > 0


def conditions(of: Mapping[str, Any], wanted: str = "True") -> dict[str, Mapping[str, Any]]:
    """Return the conditions that have the wanted status, by type."""
    found = (of.get("status") or {}).get("conditions") or []
    return {item["type"]: item for item in found if item.get("status") == wanted}


def notes_of(of: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Return an object's annotations."""
    return ((of or {}).get("metadata") or {}).get("annotations") or {}


def is_leaving(pod: Mapping[str, Any]) -> bool:
    """Whether a pod was told to go."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def created(of: Mapping[str, Any]) -> float | None:
    """Return when an object was made."""
    return seconds_of(of["metadata"].get("creationTimestamp"))


def newest(events: Iterable[Mapping[str, Any]], *reasons: str) -> Mapping[str, Any] | None:
    """Return the newest event with one of the reasons."""
    found = [event for event in events if event.get("reason") in reasons]
    return max(found, key=last_time, default=None)


def last_time(event: Mapping[str, Any] | None) -> float:
    """Return when an event was last seen; 0 for none."""
    series = (event or {}).get("series") or {}
    times = (series.get("lastObservedTime"), (event or {}).get("lastTimestamp"))
    found = [seconds for item in times if (seconds := seconds_of(item))]
    return found[0] if found else first_time(event)


def first_time(event: Mapping[str, Any] | None) -> float:
    """Return when an event was first seen; 0 for none."""
    meta = (event or {}).get("metadata") or {}
    times = ((event or {}).get(name) for name in ("firstTimestamp", "eventTime"))
    found = (seconds_of(item) for item in (*times, meta.get("creationTimestamp")))
    return next((seconds for seconds in found if seconds), 0)


def seconds_of(time_text: object) -> float | None:
    """Return a timestamp of the API in seconds of the epoch."""
    text = re.sub(r"\.(\d{1,6})\d*", lambda match: "." + match[1].ljust(6, "0"), str(time_text))
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def said(value: object) -> str:
    """Clean a sentence of the cluster's."""
    return clean(re.sub(r"\s+", " ", str(value or "")), _TEXT).strip()
