"""Where the attempts of one feature are, kept up to date by three mirrors: Jobs, pods, events."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sdlc_runner.kube.manifest import MANAGED, SCOPE
from sdlc_runner.kube.mirror import Mirror
from sdlc_runner.kube.pod_state import PodState, Stage, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sdlc_runner.kube.api import JsonObject, KubeApi

_LIST_SECONDS = 30.0
JOB_LABEL = "job-name"  # every Kubernetes sets it; its longer name came with 1.27


def selector(scope: str) -> dict[str, str]:
    """Return the query that selects the Jobs and pods of one feature."""
    labels = {**MANAGED, SCOPE: scope}
    return {"labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())}


class Observer:
    """Watches one feature's Jobs; ``changes`` counts, and is notified of, every change."""

    def __init__(self, api: KubeApi, scope: str) -> None:
        self.changed = threading.Condition()
        self.changes = 0
        query = selector(scope)
        self._jobs = Mirror(api, "jobs", query, self.notify)
        self._pods = Mirror(api, "pods", query, self.notify)
        self._events = Mirror(api, "events", {}, self.notify)
        for mirror in (self._jobs, self._pods, self._events):
            mirror.wait_for_list(_LIST_SECONDS)
        self._states: dict[str, PodState] = {}
        self._seen = -1

    def notify(self) -> None:
        """Note a change, and wake whoever waits for one."""
        with self.changed:
            self.changes += 1
            self.changed.notify_all()

    @property
    def outage(self) -> float:
        """For how many seconds the cluster has not answered."""
        return max(self._jobs.outage, self._pods.outage)

    def state(self, job: str) -> PodState:
        """Return where an attempt is; raises ``ApiError`` after a long outage."""
        if self._seen != self.changes:
            self._seen = self.changes
            pods, events = self._pods.objects(), self._events.objects()
            self._states = states(self._jobs.objects(), pods, events)
        return self._states.get(job, PodState(Stage.GONE))

    def stop(self) -> None:
        """Watch no more."""
        for mirror in (self._jobs, self._pods, self._events):
            mirror.stop()


def states(
    jobs: Iterable[JsonObject], pods: Iterable[JsonObject], events: Iterable[JsonObject]
) -> dict[str, PodState]:
    """Return the state of each Job by its name."""
    by_job = {item["metadata"].get("labels", {}).get(JOB_LABEL): item for item in pods}
    about: dict[str, list[JsonObject]] = {}
    for event in events:
        about.setdefault(_about(event), []).append(event)
    return {
        (name := job["metadata"]["name"]): state_of(
            job, pod := by_job.get(name), [*about.get(_uid(job), ()), *about.get(_uid(pod), ())]
        )
        for job in jobs
    }


def _about(event: Mapping[str, object]) -> str:
    involved = event.get("involvedObject")
    return str(involved.get("uid", "")) if isinstance(involved, dict) else ""


def _uid(found: JsonObject | None) -> str:
    return str(found["metadata"]["uid"]) if found else "-"
