"""The Jobs of attempts in the API: create, list, get, end and remove.

Creating is the lock within a namespace. Ending is one change of the Job, reason included, so that
it is never half done. Pods are read before Jobs: a pod goes only when its Job has its result, so
nothing that ended in between looks as if it had not begun.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.backends.kubernetes.job_spec import CANCELLED, GIVEN_UP, MANAGED, SCOPE
from sdlc_runner.backends.kubernetes.job_state import JobPhase, JobState, state_of, states
from sdlc_runner.backends.kubernetes.objects import JobView, ObjectView, PodView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.backends.kubernetes.api import JsonObject, KubeApi

JOB_LABEL = "job-name"  # every Kubernetes sets it; its longer name came with 1.27
_REMOVAL_SECONDS = 90.0
_PAUSE = 0.2


class JobRecord(NamedTuple):
    """An attempt in the cluster: its Job, or its pod where the Job is gone already."""

    view: ObjectView
    state: JobState
    uid: str

    @property
    def name(self) -> str:
        """The Job's name."""
        return self.view.name if self.has_job else self.view.labels.get(JOB_LABEL, "")

    @property
    def has_job(self) -> bool:
        """Whether its Job is still there."""
        return isinstance(self.view, JobView)


def selector(scope: str) -> dict[str, str]:
    """Return the query that selects the Jobs and pods of one feature."""
    labels = {**MANAGED, SCOPE: scope}
    return {"labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())}


def list_all(api: KubeApi, scope: str) -> list[JobRecord]:
    """Return the attempts of a feature, by two requests however many there are."""
    query = selector(scope)
    pods = _pods(api, query)
    jobs = api.get(api.path("jobs"), **query).get("items", [])
    return pair(list(map(JobView.of, jobs)), pods)


def _pods(api: KubeApi, query: Mapping[str, str]) -> list[PodView]:
    return list(map(PodView.of, api.get(api.path("pods"), **query).get("items", [])))


def get(api: KubeApi, name: str) -> JobRecord | None:
    """Return the attempt of that name; None if neither Job nor pod is there."""
    pods = _pods(api, {"labelSelector": f"{JOB_LABEL}={name}"})
    try:
        jobs = [JobView.of(api.get(api.path("jobs", name)))]
    except ApiError as error:
        if not error.is_not_found:
            raise
        jobs = []
    attempts = pair(jobs, pods)
    if jobs:  # a pod may be left of an earlier one of that name
        return next(item for item in attempts if item.uid == jobs[0].uid)
    return attempts[0] if attempts else None


def pair(jobs: list[JobView], pods: list[PodView]) -> list[JobRecord]:
    """Return the attempts that these Jobs and pods are."""
    views: dict[str, ObjectView] = {pod.job: pod for pod in pods}
    views.update({job.uid: job for job in jobs})
    all_states = states(jobs, pods, ())
    return [JobRecord(view, all_states[uid], uid) for uid, view in views.items()]


def create(api: KubeApi, job: JsonObject, *, renew: bool) -> tuple[JobRecord, bool]:
    """Create a Job; one of that name is adopted, or with ``renew`` replaced if it ended."""
    name = job["metadata"]["name"]
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while True:
        try:
            made = api.create(api.path("jobs"), job)
        except ApiError as error:
            if not error.is_conflict:
                raise
        else:
            view = JobView.of(made)
            return JobRecord(view, state_of(view, None, ()), view.uid), True
        there = get(api, name)
        if there is None:
            continue  # it went away in between
        ended = there.view.is_deleting or there.state.phase is JobPhase.ENDED
        if not (renew and ended) or time.monotonic() > deadline:
            return there, False
        _delete(api, name, there.uid)
        time.sleep(_PAUSE)


def _delete(api: KubeApi, name: str, uid: str) -> None:
    """Delete this very Job: it may have been replaced by a new one meanwhile."""
    body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
    try:
        api.delete(api.path("jobs", name), body)
    except ApiError as error:
        if not error.is_conflict:
            raise


def end(api: KubeApi, name: str, annotations: Mapping[str, str]) -> None:
    """Annotate a Job with why it ends, and have Kubernetes end it: a running pod gets SIGTERM.

    A suspended one is resumed with nothing to run: should a queue suspend it again, it stays as it
    is, and counts as ended.
    """
    record = get(api, name)
    if record is None or record.state.phase is JobPhase.ENDED:
        return
    job = record.view
    if not isinstance(job, JobView):  # its Job is deleted, and takes the pod along
        return
    if {CANCELLED, GIVEN_UP} & set(job.annotations):
        return
    spec = {"activeDeadlineSeconds": 1}
    if job.is_suspended:
        spec = {**spec, "suspend": False, "parallelism": 0}
    change = {"metadata": {"uid": record.uid, "annotations": dict(annotations)}, "spec": spec}
    api.patch(api.path("jobs", name), change)


def remove(api: KubeApi, record: JobRecord) -> None:
    """Delete a Job and its pod."""
    if record.has_job:
        _delete(api, record.name, record.uid)
