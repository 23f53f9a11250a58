"""A namespace of a test's own, with all that attempts need there but the pod template."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.cluster import pod_security
from support.cluster.pod_template import OPENCODE_CONFIG, SERVICE_ACCOUNT
from support.cluster.scripted_model import KEY_VARIABLE
from support.cluster.waiting import wait_for
from support.model.server import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.cluster.kubectl import Kubectl, Manifest
    from support.cluster.repositories import Repository
    from support.cluster.scripted_model import ScriptedModel

SERVER_PASSWORD = "server-password-for-tests"
MANAGED = "app.kubernetes.io/managed-by=sdlc-runner"
_KEPT = {"kube-root-ca.crt", OPENCODE_CONFIG, "git-credentials", "model-keys", "server-password"}


@dataclass(frozen=True)
class Namespace:
    """Its name, and what tests ask of it."""

    name: str
    kubectl: Kubectl

    def pod(self, name: str) -> Manifest:
        return self.kubectl.get("pod", name)

    def job(self, name: str) -> Manifest:
        return self.kubectl.get("job", name)

    def pods(self, selector: str = "") -> list[Manifest]:
        return self.kubectl.items("pods", f"--selector={selector}")

    def jobs(self, selector: str = "") -> list[Manifest]:
        return self.kubectl.items("jobs", f"--selector={selector}")

    def log(self, pod: str, container: str = "runner") -> str:
        return self.kubectl.run("logs", pod, f"--container={container}")

    def events(self) -> list[str]:
        """Reason and message of each, oldest first."""
        found = self.kubectl.items("events", "--sort-by=.metadata.creationTimestamp")
        return [f"{each['reason']}: {each['message']}" for each in found]

    def finished_pod(self, job: str, seconds: float = 60) -> Manifest:
        """Wait for the end of a Job's one pod; return the pod."""

        def ended() -> Manifest | None:
            pods = self.pods(f"job-name={job}")
            done = [pod for pod in pods if pod["status"]["phase"] in {"Succeeded", "Failed"}]
            return done[0] if done else None

        found = wait_for(ended, seconds, f"the end of {job}")
        assert found
        return found

    def secret(self, name: str, values: Mapping[str, str]) -> None:
        """Replace a Secret's values."""
        self.kubectl.apply(secret(name, values))

    def leftovers(self) -> set[str]:
        """Return what lies here that the kit did not put here, as ``kind/name``."""
        found = self.kubectl.items("jobs,pods,configmaps,secrets,persistentvolumeclaims")
        names = {(each["kind"].lower(), each["metadata"]["name"]) for each in found}
        return {f"{kind}/{name}" for kind, name in names if name not in _KEPT}

    def story(self) -> str:
        """Return what a person wants to see after a failure."""
        parts = [self.kubectl.try_run("get", "jobs,pods", "--output=wide").text, *self.events()]
        for pod in self.pods():
            name = pod["metadata"]["name"]
            args = ("logs", name, "--all-containers", "--prefix", "--tail=40")
            parts.append(self.kubectl.try_run(*args).text)
        return "\n".join(parts)


def secret(name: str, values: Mapping[str, str]) -> Manifest:
    return _holding("Secret", name, "stringData", values)


def _holding(kind: str, name: str, field: str, values: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: dict(values)}


def create(kubectl: Kubectl, name: str, repository: Repository, model: ScriptedModel) -> Namespace:
    """Make a namespace that enforces Pod Security ``restricted``, with Secrets and settings."""
    config = {"OPENCODE_CONFIG_CONTENT": json.dumps(model.opencode_config())}
    objects = [
        pod_security.service_account(SERVICE_ACCOUNT),
        secret("git-credentials", repository.secret()),
        secret("model-keys", {KEY_VARIABLE: KEY}),
        secret("server-password", {"server-password": SERVER_PASSWORD}),
        _holding("ConfigMap", OPENCODE_CONFIG, "data", config),
    ]
    inside = kubectl.inside(name)
    inside.create(pod_security.namespace(name), *objects)
    return Namespace(name, inside)


def delete(kubectl: Kubectl, name: str) -> None:
    """Have it go, without waiting."""
    kubectl.run("delete", "namespace", name, "--wait=false", "--ignore-not-found")
