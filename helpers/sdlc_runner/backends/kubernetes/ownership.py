"""Which pod and which events belong to which Job, by uid: a name may be used again. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdlc_runner.backends.kubernetes.job_state import JobState, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sdlc_runner.backends.kubernetes.api import JsonObject


def states(
    jobs: Iterable[JsonObject], pods: Iterable[JsonObject], events: Iterable[JsonObject]
) -> dict[str, JobState]:
    """Return the state of each attempt by its Job's uid, also where only its pod is left."""
    own: dict[str, JsonObject] = {}
    for pod in pods:
        owner = owner_of(pod)
        if owner not in own or _age(own[owner]) < _age(pod):
            own[owner] = pod
    by_uid: dict[str, JsonObject | None] = dict.fromkeys(own)
    by_uid.update({job["metadata"]["uid"]: job for job in jobs})
    about: dict[str, list[JsonObject]] = {}
    for event in events:
        about.setdefault(_about(event), []).append(event)
    return {
        uid: state_of(job, own.get(uid), [*about.get(uid, ()), *about.get(_uid(own.get(uid)), ())])
        for uid, job in by_uid.items()
    }


def owner_of(pod: Mapping[str, Any]) -> str:
    """Return the uid of the Job that made a pod; empty for none."""
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(item["uid"]) for item in owners if item.get("kind") == "Job"), "")


def _age(pod: JsonObject) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))


def _about(event: Mapping[str, object]) -> str:
    involved = event.get("involvedObject")
    return str(involved.get("uid", "")) if isinstance(involved, dict) else ""


def _uid(found: JsonObject | None) -> str:
    return str(found["metadata"]["uid"]) if found else "-"
