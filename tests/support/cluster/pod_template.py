"""The pod of an attempt as a core/v1 PodTemplate, in both forms."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from support.cluster import pod_security

if TYPE_CHECKING:
    from support.cluster.kubectl import Manifest

AGENT_IMAGE = "docker.io/local/sdlc-agent:dev"
SERVICE_ACCOUNT = "sdlc-agent"
OPENCODE_CONFIG = "opencode-config"
NAME = "sdlc-runner"
USER = 10001
_WHERE = {
    "workspace": "/workspace",
    "attempt": "/attempt",
    "home": "/home/agent",
    "tmp": "/tmp",
    "spec": "/etc/sdlc-runner",
    "git-credentials": "/secrets/git",
    "model-keys": "/secrets/model",
    "server-password": "/secrets/server",
}
_SECRETS = ("git-credentials", "model-keys", "server-password")
_BOTH = ("workspace", "spec", "model-keys", "server-password")
_RUNNER = (*_BOTH, "attempt", "git-credentials")
_AGENT = (*_BOTH, "home", "tmp")


class Form(Enum):
    """One container with all credentials, or one for git and one for the agent."""

    ONE = "one"
    TWO = "two"


def pod_template(form: Form, image: str = AGENT_IMAGE) -> Manifest:
    """Return the template as the chart would render it."""
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {
            "name": NAME,
            "labels": {
                "app.kubernetes.io/name": "agentic-sdlc-agent-runner",
                "app.kubernetes.io/component": "pod-template",
            },
        },
        "template": {"metadata": {"labels": {}}, "spec": _pod(form, image)},
    }


def _pod(form: Form, image: str) -> dict[str, Any]:
    pod = {
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 60,
        "securityContext": pod_security.pod(USER),
        "volumes": _volumes(),
    }
    match form:
        case Form.ONE:
            everything = _container("runner", "single", image, tuple(_WHERE))
            return {**pod, "containers": [{**everything, "env": [_opencode_config()]}]}
        case Form.TWO:
            agent = _container("agent", "agent", image, _AGENT)
            sidecar = {**agent, "restartPolicy": "Always", "env": [_opencode_config()]}
            runner = _container("runner", "runner", image, _RUNNER)
            return {**pod, "initContainers": [sidecar], "containers": [runner]}


def _container(name: str, role: str, image: str, mounts: tuple[str, ...]) -> dict[str, Any]:
    read_only = {*_SECRETS, "spec"}
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [role],
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"memory": "2Gi"},
        },
        "securityContext": pod_security.CONTAINER,
        "volumeMounts": [
            {"name": mount, "mountPath": _WHERE[mount], "readOnly": mount in read_only}
            for mount in mounts
        ],
    }


def _volumes() -> list[dict[str, Any]]:
    spec = {
        "path": "spec.json",
        "fieldRef": {"fieldPath": "metadata.annotations['sdlc-runner/spec']"},
    }
    return [
        {"name": "workspace", "emptyDir": {"sizeLimit": "1Gi"}},
        *({"name": name, "emptyDir": {}} for name in ("attempt", "home", "tmp")),
        {"name": "spec", "downwardAPI": {"items": [spec]}},
        *({"name": name, "secret": {"secretName": name}} for name in _SECRETS),
    ]


def _opencode_config() -> dict[str, Any]:
    variable = "OPENCODE_CONFIG_CONTENT"
    source = {"configMapKeyRef": {"name": OPENCODE_CONFIG, "key": variable}}
    return {"name": variable, "valueFrom": source}
