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

from sdlc_runner.backends.base import AttemptStatus
from sdlc_runner.backends.kubernetes import (
    agent_endpoint,
    job_spec,
    jobs,
    pod_template,
    template_validation,
)
from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.backends.kubernetes.feature_watch import FeatureWatch
from sdlc_runner.backends.kubernetes.job_spec import (
    CANCELLED,
    GIVEN_UP,
    TEMPLATE,
    Clocks,
    PodTemplate,
)
from sdlc_runner.backends.kubernetes.job_state import JobPhase, JobState
from sdlc_runner.backends.kubernetes.job_tail import JobTail
from sdlc_runner.backends.kubernetes.kubeconfig import Access, open_api
from sdlc_runner.backends.kubernetes.object_fields import created, notes_of
from sdlc_runner.digest import digest
from sdlc_runner.errors import Code, RunnerError, UsageError
from sdlc_runner.events.types import PhaseName
from sdlc_runner.git.remote_url import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.backends.base import AgentServer
    from sdlc_runner.backends.kubernetes.api import KubeApi
    from sdlc_runner.backends.kubernetes.jobs import Found
    from sdlc_runner.backends.kubernetes.pending_reasons import PendingReason
    from sdlc_runner.config.settings import Settings

_NEWEST_LINES = "60"
_TEMPLATE_SECONDS = 2.0


class KubernetesBackend:
    """The Jobs of one namespace."""

    kind = "kubernetes"
    starts_at_once = 16

    def __init__(self, api: KubeApi, settings: Settings) -> None:
        self.api = api
        self._settings = settings
        self._observers: dict[str, FeatureWatch] = {}
        self._template: tuple[float, PodTemplate | None] = (0.0, None)
        self.clocks = Clocks(
            settings.limits.queue_seconds,
            settings.limits.start_seconds,
            settings.limits.create_seconds,
        )

    @cached_property
    def where(self) -> str:
        """This namespace of this cluster, without telling their names."""
        try:
            found = self.api.get(f"/api/v1/namespaces/{self.api.namespace}")
            return "kubernetes:" + digest(found["metadata"]["uid"])[:12]
        except ApiError:  # whoever may not read it has no better name for the cluster
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
        try:
            if settings.kubernetes.release:
                return pod_template.from_release(self.api, Path(settings.kubernetes.release))
            return pod_template.from_namespace(self.api, settings.kubernetes.pod_template)
        except ApiError as error:
            raise error.to_error("The pod template cannot be read") from None

    def start(self, spec: AttemptSpec, *, renew: bool = False) -> tuple[AttemptStatus, bool]:
        """Create the Job; one of that name is adopted, or with ``renew`` replaced if it ended."""
        if spec.agent.command and not self.template.is_single:
            raise RunnerError(
                Code.UNSUPPORTED_BACKEND,
                "agent.command needs a pod of one container: this template's agent is OpenCode.",
                "Unset agent.command, or render the chart with `agent.form: single`.",
            )
        template_validation.require(self.template)
        # Whoever may read pods reads this, and git gets its credentials from the Secret.
        spec = replace(spec, remote=without_credentials(spec.remote))
        ttl, secret = self._settings.kubernetes.ttl_seconds, self._settings.kubernetes.git_secret
        job = job_spec.build_job(self.template, spec, self.where, self.clocks, ttl, secret)
        try:
            found, made = jobs.create(self.api, job, renew=renew)
        except ApiError as error:
            raise error.to_error(f"No Job was created for {spec.key}") from None
        return self._status(found, spec), made

    def _status(self, found: Found, spec: AttemptSpec) -> AttemptStatus:
        place = f"{self.api.namespace}/{found.name}"
        since, digest = created(found.source), notes_of(found.source).get(TEMPLATE, "")
        state = found.state
        waits = state.trouble.message if state.trouble else state.detail
        begins = state.ending.alive and state.stage is not JobPhase.RUNNING
        phase = (state.stage.phase or PhaseName.PENDING) if begins else None
        return AttemptStatus(
            found.name, place, spec, state.ending, since, found.uid, digest, phase, waits
        )

    def list_attempts(self, feature: str, remote: str) -> list[AttemptStatus]:
        """Return the feature's Jobs; where they are followed, the watch has them."""
        scope = job_spec.scope_of(remote, feature)
        observer = self._observers.get(scope)
        try:
            watched = observer.attempts() if observer else None
            found = jobs.list_all(self.api, scope) if watched is None else watched
        except ApiError as error:
            raise error.to_error("The attempts cannot be listed") from None
        specs = ((item, job_spec.spec_of(item.source)) for item in found)
        return [
            self._status(item, spec)
            for item, spec in specs
            if spec is not None and spec.key.feature == feature
        ]

    def refresh(self, status: AttemptStatus) -> AttemptStatus:
        """Look at its Job and pod again; where it is followed, the watch has the newest."""
        observer = self._observers.get(_scope(status.spec))
        try:
            watched = observer.state(status.id) if observer else None
            if watched is not None and watched.stage is not JobPhase.GONE:
                return replace(status, ending=watched.ending)
            found = jobs.find(self.api, status.name)
        except ApiError as error:
            raise error.to_error(f"{status.place} cannot be looked at") from None
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

    def _observe(self, scope: str) -> FeatureWatch:
        """Watch the Jobs of a feature; one watch serves all of them."""
        if scope not in self._observers:
            self._observers[scope] = FeatureWatch(self.api, scope)
        return self._observers[scope]

    def tail(self, status: AttemptStatus) -> JobTail:
        """Follow its states and the log of its runner."""
        observer = self._observe(_scope(status.spec))
        return JobTail(status, self.api, observer, self.clocks, self._give_up)

    def log(self, status: AttemptStatus) -> Iterator[bytes]:
        """Yield what the kubelet still has of the runner's log."""
        yield self._read_log(status, {})

    def newest(self, status: AttemptStatus) -> bytes:
        """Return the last lines of the runner's log."""
        return self._read_log(status, {"tailLines": _NEWEST_LINES})

    def _read_log(self, status: AttemptStatus, query: Mapping[str, str]) -> bytes:
        """Read a log; empty where there is no container, or none any more."""
        try:
            found = jobs.find(self.api, status.name)
            pod = found.state.pod if found else ""
            if not pod:
                return b""
            path = self.api.path("pods", pod, "log")
            return self.api.text(path, {"container": job_spec.RUNNER, **query})
        except ApiError as error:
            if error.status in {400, 404}:
                return b""
            raise error.to_error(f"The log of {status.place} cannot be read") from None

    def wait(self, seconds: float) -> None:
        """Wait until a watch or a log brings something."""
        observer = next(iter(self._observers.values()), None)
        if observer is None:
            time.sleep(seconds)
            return
        observer.wait(seconds)

    def agent_server(self, status: AttemptStatus) -> AgentServer:
        """Find the server in the attempt's pod, and its password."""
        try:
            found = jobs.find(self.api, status.name)
            state = found.state if found else JobState(JobPhase.GONE)
            if state.stage is not JobPhase.RUNNING:
                raise agent_endpoint.not_running(status.spec.key, state.stage)
            return agent_endpoint.find(self.api, state.pod)
        except ApiError as error:
            raise error.to_error(f"No way to the agent of {status.place}") from None

    def spec_in(self, pod: str) -> AttemptSpec:
        """Read the specification of the attempt in a pod."""
        try:
            found = job_spec.spec_of(self.api.get(self.api.path("pods", pod)))
        except ApiError as error:
            raise error.to_error(f"The pod {pod} cannot be read") from None
        if found is None:
            raise UsageError(
                Code.NO_ATTEMPT,
                f"The pod {self.api.namespace}/{pod} holds no attempt.",
                "`kubectl get pods -l app.kubernetes.io/managed-by=sdlc-runner` lists ours.",
            )
        return found

    def cancel(self, status: AttemptStatus) -> None:
        """Have its Job end with a note that the user wanted it: its runner saves the work."""
        self._end(status, {CANCELLED: datetime.now(timezone.utc).isoformat(timespec="seconds")})

    def _give_up(self, status: AttemptStatus, trouble: PendingReason) -> None:
        """End an attempt that cannot begin; the reason stays on the Job."""
        cause = {"code": trouble.code, "message": trouble.message, "hint": trouble.hint}
        self._end(status, {GIVEN_UP: json.dumps(cause)})

    def _end(self, status: AttemptStatus, notes: Mapping[str, str]) -> None:
        try:
            jobs.end(self.api, status.name, notes)
        except ApiError as error:
            raise error.to_error(f"{status.place} cannot be ended") from None

    def remove(self, status: AttemptStatus) -> None:
        """Delete the Job and its pod."""
        key = status.spec.key
        try:
            found = jobs.find(self.api, status.name)
            if found is None:
                return
            if found.state.ending.alive:
                text, hint = f"Attempt {key} is running.", f"`sdlc-runner cancel {key.task}` first."
                raise RunnerError(Code.ATTEMPT_ALIVE, text, hint)
            jobs.remove(self.api, found)
        except ApiError as error:
            raise error.to_error(f"{status.place} cannot be removed") from None


def _scope(spec: AttemptSpec) -> str:
    return job_spec.scope_of(spec.origin, spec.key.feature)


def open_backend(settings: Settings, environ: Mapping[str, str]) -> KubernetesBackend:
    """Open the backend that the settings name."""
    access = Access(
        environ.get("KUBECONFIG", ""), settings.kubernetes.context, settings.kubernetes.namespace
    )
    api = open_api(access, settings.kubernetes.requests_per_second)
    return KubernetesBackend(api, settings)
