"""The Jobs of attempts in the API: making, finding, ending and removing them.

Creating is the lock within a namespace. Ending is one change of the Job, reason and all, so that
there is no moment in which half of it is done. Pods are read before Jobs: a pod goes only when its
Job says what became of it, so nothing that ended in between looks as if it had not begun.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.backends.kubernetes.job_spec import CANCELLED, GIVEN_UP, MANAGED, SCOPE
from sdlc_runner.backends.kubernetes.job_state import JobPhase, JobState, state_of
from sdlc_runner.backends.kubernetes.object_fields import notes_of
from sdlc_runner.backends.kubernetes.ownership import owner_of, states

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.backends.kubernetes.api import JsonObject, KubeApi

JOB_LABEL = "job-name"  # every Kubernetes sets it; its longer name came with 1.27
_NOT_FOUND, _CONFLICT = 404, 409
_REMOVAL_SECONDS = 90.0
_PAUSE = 0.2


class Found(NamedTuple):
    """An attempt in the cluster: its Job, or its pod where the Job is gone already."""

    source: JsonObject
    state: JobState
    uid: str

    @property
    def name(self) -> str:
        """The Job's name."""
        meta = self.source["metadata"]
        labels = meta.get("labels") or {}
        return str(meta["name"] if meta["uid"] == self.uid else labels.get(JOB_LABEL, ""))


def selector(scope: str) -> dict[str, str]:
    """Return the query that selects the Jobs and pods of one feature."""
    labels = {**MANAGED, SCOPE: scope}
    return {"labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())}


def list_all(api: KubeApi, scope: str) -> list[Found]:
    """Return the attempts of a feature, by two requests however many there are."""
    query = selector(scope)
    pods = api.get(api.path("pods"), **query).get("items", [])
    return found(api.get(api.path("jobs"), **query).get("items", []), pods)


def find(api: KubeApi, name: str) -> Found | None:
    """Return the attempt of that name; None if neither Job nor pod is there."""
    pods = api.get(api.path("pods"), labelSelector=f"{JOB_LABEL}={name}").get("items", [])
    try:
        jobs = [api.get(api.path("jobs", name))]
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        jobs = []
    attempts = found(jobs, pods)
    if jobs:  # a pod may be left of an earlier one of that name
        return next(item for item in attempts if item.uid == jobs[0]["metadata"]["uid"])
    return attempts[0] if attempts else None


def found(jobs: list[JsonObject], pods: list[JsonObject]) -> list[Found]:
    """Return the attempts that these Jobs and pods are."""
    sources = {owner_of(pod): pod for pod in pods}
    sources.update({job["metadata"]["uid"]: job for job in jobs})
    all_states = states(jobs, pods, ())
    return [Found(source, all_states[uid], uid) for uid, source in sources.items()]


def create(api: KubeApi, job: JsonObject, *, renew: bool) -> tuple[Found, bool]:
    """Make a Job; one of that name is adopted, or with ``renew`` replaced if it ended."""
    name = job["metadata"]["name"]
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while True:
        try:
            made = api.create(api.path("jobs"), job)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
        else:
            return Found(made, state_of(made, None, ()), made["metadata"]["uid"]), True
        there = find(api, name)
        if there is None:
            continue  # it went away in between
        going = there.source["metadata"].get("deletionTimestamp")
        ended = going or there.state.stage is JobPhase.ENDED
        if not (renew and ended) or time.monotonic() > deadline:
            return there, False
        _delete(api, name, there.uid)
        time.sleep(_PAUSE)


def _delete(api: KubeApi, name: str, uid: str) -> None:
    """Delete this very Job: somebody else may have put a new one into its place."""
    body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
    try:
        api.delete(api.path("jobs", name), body)
    except ApiError as error:
        if error.status != _CONFLICT:
            raise


def end(api: KubeApi, name: str, notes: Mapping[str, str]) -> None:
    """Note on a Job why it ends, and have Kubernetes end it: a running pod gets SIGTERM.

    A suspended one is let go with nothing to run: should a queue suspend it again, it stays as it
    is, and counts as ended.
    """
    found = find(api, name)
    if found is None or found.state.stage is JobPhase.ENDED:
        return
    if found.uid != found.source["metadata"]["uid"]:  # its Job is deleted, and takes the pod along
        return
    if {CANCELLED, GIVEN_UP} & set(notes_of(found.source)):
        return
    spec = {"activeDeadlineSeconds": 1}
    if found.source["spec"].get("suspend"):
        spec = {**spec, "suspend": False, "parallelism": 0}
    change = {"metadata": {"uid": found.uid, "annotations": dict(notes)}, "spec": spec}
    api.patch(api.path("jobs", name), change)


def remove(api: KubeApi, found: Found) -> None:
    """Delete a Job and its pod."""
    if found.uid == found.source["metadata"]["uid"]:
        _delete(api, found.name, found.uid)
