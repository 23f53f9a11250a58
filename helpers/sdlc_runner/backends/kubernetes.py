"""Attempts as Jobs of Kubernetes: nothing is kept here that the cluster and the remote lack.

Creating the Job is the lock within one namespace: a Job of that name is adopted, never replaced
while it lives.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner import naming
from sdlc_runner.backends import Sighting
from sdlc_runner.backends.kubernetes_tail import JobTail
from sdlc_runner.errors import Code, RunnerError
from sdlc_runner.kube import manifest, template
from sdlc_runner.kube.api import Access, KubeApi, open_api
from sdlc_runner.kube.failure import ApiError
from sdlc_runner.kube.manifest import CANCELLED, GIVEN_UP, Clocks, PodTemplate
from sdlc_runner.kube.observer import JOB_LABEL, Observer, selector, states
from sdlc_runner.kube.pod_state import PodState, Stage, seconds_of, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdlc_runner.attempt import AttemptSpec
    from sdlc_runner.kube.api import JsonObject
    from sdlc_runner.kube.trouble import Trouble
    from sdlc_runner.setting import Settings

_CONFLICT = 409
_NEWEST_LINES = "60"
_REMOVAL_SECONDS = 90.0
_PAUSE = 0.2


class KubernetesBackend:
    """The Jobs of one namespace."""

    kind = "kubernetes"

    def __init__(self, api: KubeApi, settings: Settings) -> None:
        self.api = api
        self._settings = settings
        self._observers: dict[str, Observer] = {}
        self.clocks = Clocks(
            settings.limits_queue_seconds,
            settings.limits_start_seconds,
            settings.limits_create_seconds,
        )

    @cached_property
    def where(self) -> str:
        """This namespace of this cluster, without telling their names."""
        try:
            found = self.api.get(f"/api/v1/namespaces/{self.api.namespace}")
            return "kubernetes:" + naming.digest(found["metadata"]["uid"])[:12]
        except ApiError:  # whoever may not read it has no better name for the cluster
            return "kubernetes:" + naming.digest(self.api.server, self.api.namespace)[:12]

    @cached_property
    def template(self) -> PodTemplate:
        """The pod template that attempts are made from."""
        settings = self._settings
        if settings.kubernetes_template_file:
            return template.from_file(Path(settings.kubernetes_template_file))
        if settings.kubernetes_release:
            return template.from_release(Path(settings.kubernetes_release), self.api.namespace)
        try:
            return template.from_namespace(self.api, settings.kubernetes_pod_template)
        except ApiError as error:
            raise error.to_error("The pod template cannot be read") from None

    def start(self, spec: AttemptSpec, *, renew: bool = False) -> tuple[Sighting, bool]:
        """Create the Job; one of that name is adopted, or with ``renew`` replaced if it ended."""
        if spec.agent_command and not self.template.is_single:
            raise RunnerError(
                Code.UNSUPPORTED_BACKEND,
                "agent.command needs a pod of one container: this template's agent is OpenCode.",
                "Unset agent.command, or render the chart with `agent.form: single`.",
            )
        ttl = self._settings.kubernetes_ttl_seconds
        job = manifest.build_job(self.template, spec, self.where, self.clocks, ttl)
        try:
            return self._create(job, spec, renew=renew)
        except ApiError as error:
            raise error.to_error(f"No Job was created for {spec.key}") from None

    def _create(self, job: JsonObject, spec: AttemptSpec, *, renew: bool) -> tuple[Sighting, bool]:
        name = job["metadata"]["name"]
        deadline = time.monotonic() + _REMOVAL_SECONDS
        while True:
            try:
                made = self.api.create(self.api.path("jobs"), job)
            except ApiError as error:
                if error.status != _CONFLICT:
                    raise
            else:
                return self._sighting(made, spec, state_of(made, None, ())), True
            there = self._find(name)
            if there is None:
                continue  # it went away in between
            going = there[0]["metadata"].get("deletionTimestamp")
            ended = going or there[1].stage is Stage.ENDED
            if not (renew and ended) or time.monotonic() > deadline:
                return self._sighting(there[0], spec, there[1]), False
            self.api.delete(self.api.path("jobs", name))
            time.sleep(_PAUSE)

    def _find(self, name: str) -> tuple[JsonObject, PodState] | None:
        """Return a Job and its state; None if there is none."""
        try:
            job = self.api.get(self.api.path("jobs", name))
        except ApiError as error:
            if error.status == 404:  # noqa: PLR2004 - not found
                return None
            raise
        pods = self.api.get(self.api.path("pods"), labelSelector=f"{JOB_LABEL}={name}")
        return job, states([job], pods.get("items", []), ())[name]

    def _sighting(self, job: JsonObject, spec: AttemptSpec, state: PodState) -> Sighting:
        meta = job["metadata"]
        place = f"{self.api.namespace}/{meta['name']}"
        since = seconds_of(meta.get("creationTimestamp"))
        return Sighting(meta["name"], place, spec, state.ending, since)

    def sightings(self, feature: str, remote: str) -> list[Sighting]:
        """Return the feature's Jobs, by two requests however many there are."""
        query = selector(manifest.scope_of(naming.normalize_remote(remote), feature))
        try:
            jobs = self.api.get(self.api.path("jobs"), **query).get("items", [])
            pods = self.api.get(self.api.path("pods"), **query).get("items", []) if jobs else []
        except ApiError as error:
            raise error.to_error("The attempts cannot be listed") from None
        found = states(jobs, pods, ())
        specs = ((job, manifest.spec_of(job)) for job in jobs)
        return [
            self._sighting(job, spec, found[job["metadata"]["name"]])
            for job, spec in specs
            if spec is not None and spec.key.feature == feature
        ]

    def look(self, sighting: Sighting) -> Sighting:
        """Look at its Job and pod again; where it is followed, the watch has the newest."""
        observer = self._observers.get(_scope(sighting.spec))
        try:
            if observer is not None:
                return replace(sighting, ending=observer.state(sighting.name).ending)
            found = self._find(sighting.name)
        except ApiError as error:
            raise error.to_error(f"{sighting.place} cannot be looked at") from None
        ending = found[1].ending if found else PodState(Stage.GONE).ending
        return replace(sighting, ending=ending)

    def observe(self, sighting: Sighting) -> Observer:
        """Watch the Jobs of the attempt's feature; one watch serves all of them."""
        scope = _scope(sighting.spec)
        if scope not in self._observers:
            self._observers[scope] = Observer(self.api, scope)
        return self._observers[scope]

    def tail(self, sighting: Sighting) -> JobTail:
        """Follow its states and the log of its runner."""
        return JobTail(self, sighting)

    def log(self, sighting: Sighting) -> Iterator[bytes]:
        """Yield what the kubelet still has of the runner's log."""
        yield self._read_log(sighting, {})

    def newest(self, sighting: Sighting) -> bytes:
        """Return the last lines of the runner's log."""
        return self._read_log(sighting, {"tailLines": _NEWEST_LINES})

    def _read_log(self, sighting: Sighting, query: Mapping[str, str]) -> bytes:
        """Read a log; empty where there is no container, or none any more."""
        try:
            found = self._find(sighting.name)
            pod = found[1].pod if found else ""
            if not pod:
                return b""
            path = self.api.path("pods", pod, "log")
            return self.api.text(path, {"container": manifest.RUNNER, **query})
        except ApiError as error:
            if error.status in {400, 404}:
                return b""
            raise error.to_error(f"The log of {sighting.place} cannot be read") from None

    def wait(self, seconds: float) -> None:
        """Wait until a watch or a log brings something."""
        observer = next(iter(self._observers.values()), None)
        if observer is None:
            time.sleep(seconds)
            return
        with observer.changed:
            observer.changed.wait(seconds)

    def cancel(self, sighting: Sighting) -> None:
        """Note it on the Job, then delete the pod: its runner saves the work on SIGTERM."""
        self._end(sighting, {CANCELLED: datetime.now(timezone.utc).isoformat(timespec="seconds")})

    def give_up(self, sighting: Sighting, trouble: Trouble) -> None:
        """End an attempt that cannot begin; the reason stays on the Job."""
        cause = {"code": trouble.code, "message": trouble.message, "hint": trouble.hint}
        self._end(sighting, {GIVEN_UP: json.dumps(cause)})

    def _end(self, sighting: Sighting, notes: Mapping[str, str]) -> None:
        try:
            found = self._find(sighting.name)
            if found is None or found[1].stage is Stage.ENDED:
                return
            job, state = found
            if job["spec"].get("suspend"):  # a queue would start it again
                self.api.delete(self.api.path("jobs", sighting.name))
                return
            change: JsonObject = {"metadata": {"annotations": dict(notes)}}
            if not state.pod:
                change["spec"] = {"activeDeadlineSeconds": 1}  # there is no pod to delete
            self.api.patch(self.api.path("jobs", sighting.name), change)
            if state.pod:
                self.api.delete(self.api.path("pods", state.pod), {})
        except ApiError as error:
            raise error.to_error(f"{sighting.place} cannot be ended") from None

    def remove(self, sighting: Sighting) -> None:
        """Delete the Job and its pod."""
        try:
            found = self._find(sighting.name)
            if found and found[1].ending.alive and not found[0]["spec"].get("suspend"):
                key = sighting.spec.key
                raise RunnerError(
                    Code.ATTEMPT_ALIVE,
                    f"Attempt {key} is running.",
                    f"`sdlc-runner cancel {key.task}` first.",
                )
            self.api.delete(self.api.path("jobs", sighting.name))
        except ApiError as error:
            raise error.to_error(f"{sighting.place} cannot be removed") from None


def _scope(spec: AttemptSpec) -> str:
    return manifest.scope_of(spec.origin, spec.key.feature)


def open_backend(settings: Settings, environ: Mapping[str, str]) -> KubernetesBackend:
    """Open the backend that the settings name."""
    access = Access(
        environ.get("KUBECONFIG", ""), settings.kubernetes_context, settings.kubernetes_namespace
    )
    api = open_api(access, settings.kubernetes_requests_per_second)
    return KubernetesBackend(api, settings)
