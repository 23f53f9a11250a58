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

from sdlc_runner.backends.base import AttemptStatus, still_running
from sdlc_runner.backends.kubernetes import (
    agent_endpoint,
    job_spec,
    jobs,
    pod_template,
)
from sdlc_runner.backends.kubernetes.errors import ApiError, api_errors
from sdlc_runner.backends.kubernetes.informer import FeatureWatch
from sdlc_runner.backends.kubernetes.job_spec import CANCELLED, GIVEN_UP, TEMPLATE, Clocks
from sdlc_runner.backends.kubernetes.job_state import JobPhase, JobState
from sdlc_runner.backends.kubernetes.job_tail import JobTail
from sdlc_runner.backends.kubernetes.kubeconfig import ClusterConfig, open_api
from sdlc_runner.backends.kubernetes.objects import PodView
from sdlc_runner.digest import digest
from sdlc_runner.errors import Code, RunnerError, UsageError
from sdlc_runner.events.types import PhaseName
from sdlc_runner.git.remote_url import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.backends.base import AgentServer
    from sdlc_runner.backends.kubernetes.api import KubeApi
    from sdlc_runner.backends.kubernetes.jobs import JobRecord
    from sdlc_runner.backends.kubernetes.pod_template import PodTemplate
    from sdlc_runner.backends.kubernetes.reasons import PendingReason
    from sdlc_runner.config.settings import Settings

_NEWEST_LINES = "60"
_TEMPLATE_SECONDS = 2.0


class KubernetesBackend:
    """The Jobs of one namespace."""

    kind = "kubernetes"
    starts_at_once = 16
    runs_on_this_machine = False

    def __init__(self, api: KubeApi, settings: Settings) -> None:
        self.api = api
        self._settings = settings
        self._watches: dict[str, FeatureWatch] = {}
        self._template: tuple[float, PodTemplate | None] = (0.0, None)
        self.clocks = Clocks(
            settings.limits.queue_seconds,
            settings.limits.start_seconds,
            settings.limits.create_seconds,
        )

    @cached_property
    def where(self) -> str:
        """A hash that identifies this namespace of this cluster without naming them."""
        try:
            found = self.api.get(f"/api/v1/namespaces/{self.api.namespace}")
            return "kubernetes:" + digest(found["metadata"]["uid"])[:12]
        except ApiError:  # without permission to read it, there is no better name
            return "kubernetes:" + digest(self.api.server, self.api.namespace)[:12]

    @property
    def template(self) -> PodTemplate:
        """The pod template that attempts are made from; a change takes effect within seconds."""
        now = time.monotonic()
        read, found = self._template
        if found is None or now - read > _TEMPLATE_SECONDS:
            found = self._read_template()
            self._template = (now, found)
        return found

    def _read_template(self) -> PodTemplate:
        settings = self._settings
        if settings.kubernetes.template_file:
            return pod_template.from_file(Path(settings.kubernetes.template_file))
        with api_errors("Cannot read the pod template"):
            if settings.kubernetes.release:
                return pod_template.from_release(self.api, Path(settings.kubernetes.release))
            return pod_template.from_namespace(self.api, settings.kubernetes.pod_template)

    def start(self, spec: AttemptSpec, *, renew: bool = False) -> tuple[AttemptStatus, bool]:
        """Create the Job; one of that name is adopted, or with ``renew`` replaced if it ended."""
        pod_template.require(self.template)
        if spec.agent.command:
            pod_template.require_single(self.template)
        # Everyone who can read pods can read this; git gets its credentials from the Secret.
        spec = replace(spec, remote=without_credentials(spec.remote))
        ttl, secret = self._settings.kubernetes.ttl_seconds, self._settings.kubernetes.git_secret
        job = job_spec.build_job(self.template, spec, self.where, self.clocks, ttl, secret)
        with api_errors(f"Cannot create a Job for {spec.key}"):
            record, created = jobs.create(self.api, job, renew=renew)
        return self._status(record, spec), created

    def _status(self, record: JobRecord, spec: AttemptSpec) -> AttemptStatus:
        state = record.state
        begins = state.ending.alive and state.phase is not JobPhase.RUNNING
        return AttemptStatus(
            name=record.name,
            place=f"{self.api.namespace}/{record.name}",
            spec=spec,
            ending=state.ending,
            since=record.view.created,
            id=record.uid,
            template=record.view.annotations.get(TEMPLATE, ""),
            phase=(state.phase.in_events or PhaseName.PENDING) if begins else None,
            waiting=state.reason.message if state.reason else state.detail,
        )

    def list_attempts(self, feature: str, remote: str) -> list[AttemptStatus]:
        """Return the feature's Jobs; where they are followed, the watch has them."""
        scope = job_spec.scope_of(remote, feature)
        watch = self._watches.get(scope)
        with api_errors("Cannot list the attempts"):
            watched = watch.attempts() if watch else None
            found = jobs.list_all(self.api, scope) if watched is None else watched
        specs = ((item, job_spec.spec_of(item.view.annotations)) for item in found)
        return [
            self._status(item, spec)
            for item, spec in specs
            if spec is not None and spec.key.feature == feature
        ]

    def refresh(self, status: AttemptStatus) -> AttemptStatus:
        """Look at its Job and pod again; where it is followed, the watch has the newest."""
        watch = self._watches.get(_scope(status.spec))
        with api_errors(f"Cannot read {status.place}"):
            watched = watch.state(status.id) if watch else None
            if watched is not None and watched.phase is not JobPhase.GONE:
                return replace(status, ending=watched.ending)
            found = jobs.get(self.api, status.name)
        if found is None or found.uid != status.id:
            return replace(status, ending=JobState(JobPhase.GONE).ending)
        return replace(status, ending=found.state.ending)

    def moved(self, status: AttemptStatus) -> str:
        """Say that the pod template is another one now."""
        try:
            now = self.template
        except RunnerError:
            return ""
        same = status.template in {"", now.digest}
        return "" if same else f"The pod template {now.source} has changed since it began."

    def _watch_feature(self, scope: str) -> FeatureWatch:
        """Watch the Jobs of a feature; one watch serves all of them."""
        if scope not in self._watches:
            self._watches[scope] = FeatureWatch(self.api, scope)
        return self._watches[scope]

    def tail(self, status: AttemptStatus) -> JobTail:
        """Follow its states and the log of its runner."""
        watch = self._watch_feature(_scope(status.spec))
        return JobTail(status, self.api, watch, self.clocks, self._give_up)

    def log(self, status: AttemptStatus) -> Iterator[bytes]:
        """Yield what the kubelet still has of the runner's log."""
        yield self._read_log(status, {})

    def newest(self, status: AttemptStatus) -> bytes:
        """Return the last lines of the runner's log."""
        return self._read_log(status, {"tailLines": _NEWEST_LINES})

    def _read_log(self, status: AttemptStatus, query: Mapping[str, str]) -> bytes:
        """Read a log; empty where there is no container, or none any more."""
        try:
            found = jobs.get(self.api, status.name)
            pod = found.state.pod if found else ""
            if not pod:
                return b""
            path = self.api.path("pods", pod, "log")
            return self.api.text(path, {"container": job_spec.RUNNER, **query})
        except ApiError as error:
            if error.status in {400, 404}:
                return b""
            raise error.to_error(f"Cannot read the log of {status.place}") from None

    def close(self) -> None:
        """Stop watching the cluster; attempts go on."""
        for watch in self._watches.values():
            watch.stop()

    def wait(self, seconds: float) -> None:
        """Wait until a watch or a log brings something."""
        watch = next(iter(self._watches.values()), None)
        if watch is None:
            time.sleep(seconds)
            return
        watch.wait(seconds)

    def agent_server(self, status: AttemptStatus) -> AgentServer:
        """Find the server in the attempt's pod, and its password."""
        with api_errors(f"Cannot reach the agent of {status.place}"):
            found = jobs.get(self.api, status.name)
            state = found.state if found else JobState(JobPhase.GONE)
            if state.phase is not JobPhase.RUNNING:
                raise agent_endpoint.not_running(status.spec.key, state.phase)
            return agent_endpoint.find(self.api, state.pod)

    def spec_in(self, pod: str) -> AttemptSpec:
        """Read the specification of the attempt in a pod."""
        with api_errors(f"Cannot read the pod {pod}"):
            view = PodView.of(self.api.get(self.api.path("pods", pod)))
        found = job_spec.spec_of(view.annotations)
        if found is None:
            raise UsageError(
                Code.NO_ATTEMPT,
                f"The pod {self.api.namespace}/{pod} is not the pod of an attempt.",
                "List them: `kubectl get pods -l app.kubernetes.io/managed-by=sdlc-runner`.",
            )
        return found

    def cancel(self, status: AttemptStatus) -> None:
        """Have its Job end with a note that the user wanted it: its runner saves the work."""
        self._end(status, {CANCELLED: datetime.now(timezone.utc).isoformat(timespec="seconds")})

    def _give_up(self, status: AttemptStatus, reason: PendingReason) -> None:
        """End an attempt that cannot begin; the reason stays on the Job."""
        cause = {"code": reason.code, "message": reason.message, "hint": reason.hint}
        self._end(status, {GIVEN_UP: json.dumps(cause)})

    def _end(self, status: AttemptStatus, annotations: Mapping[str, str]) -> None:
        with api_errors(f"Cannot end {status.place}"):
            jobs.end(self.api, status.name, annotations)

    def remove(self, status: AttemptStatus) -> None:
        """Delete the Job and its pod."""
        with api_errors(f"Cannot remove {status.place}"):
            found = jobs.get(self.api, status.name)
            if found is None:
                return
            if found.state.ending.alive:
                raise still_running(status.spec.key)
            jobs.remove(self.api, found)


def _scope(spec: AttemptSpec) -> str:
    return job_spec.scope_of(spec.origin, spec.key.feature)


def open_backend(settings: Settings, environ: Mapping[str, str]) -> KubernetesBackend:
    """Open the backend that the settings name."""
    cluster = ClusterConfig(
        environ.get("KUBECONFIG", ""), settings.kubernetes.context, settings.kubernetes.namespace
    )
    api = open_api(cluster, settings.kubernetes.requests_per_second)
    return KubernetesBackend(api, settings)
