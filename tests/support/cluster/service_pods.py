"""The test services as Kubernetes objects: a git server and a scripted model.

Their programs come from this folder by a ConfigMap, so that the image seldom changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.cluster import pod_security
from support.cluster.ports import ADMIN, HTTP, SSH

if TYPE_CHECKING:
    from support.cluster.kubectl import Manifest

IMAGE = "docker.io/local/sdlc-test-kit:dev"
GIT = "git"
MODEL = "model"
PORTS = {GIT: (HTTP, SSH, ADMIN), MODEL: (HTTP,)}
_MODULES = {GIT: "support.cluster.pods.git_server", MODEL: "support.cluster.pods.model_pod"}
_USER = 10002  # "git" in the image
_TESTS = Path(__file__).resolve().parents[2]
_SOURCES = [
    "support/model/request.py",
    "support/model/server.py",
    "support/model/stream.py",
    "support/model/script.py",
    "support/cluster/ports.py",
]


def manifests(namespace: str) -> list[Manifest]:
    """Return everything, in the order in which it can be made."""
    files = [
        *_SOURCES,
        *(f"support/cluster/pods/{path.name}" for path in _TESTS.glob("support/cluster/pods/*.py")),
    ]
    return [
        pod_security.namespace(namespace),
        pod_security.service_account("services"),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "programs"},
            "data": {name.replace("/", "."): (_TESTS / name).read_text() for name in files},
        },
        *(_service(name) for name in PORTS),
        *(_pod(name, files) for name in PORTS),
    ]


def _service(name: str) -> Manifest:
    ports = [{"name": f"port-{port}", "port": port} for port in PORTS[name]]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports},
    }


def _pod(name: str, files: list[str]) -> Manifest:
    items = [{"key": file.replace("/", "."), "path": file} for file in files]
    volumes: list[dict[str, Any]] = [
        {"name": "programs", "configMap": {"name": "programs", "items": items}},
        {"name": "srv", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    paths = {"programs": "/programs", "srv": "/srv", "tmp": "/tmp"}
    environment = {"PYTHONPATH": "/programs", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/srv"}
    container = {
        "name": name,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", _MODULES[name]],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": pod_security.CONTAINER,
        "volumeMounts": [{"name": key, "mountPath": path} for key, path in paths.items()],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "serviceAccountName": "services",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 1,
            "securityContext": pod_security.pod(_USER),
            "containers": [container],
            "volumes": volumes,
        },
    }
