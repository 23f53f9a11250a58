"""The test services while tests run: made by the first process, removed by the last one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from support.cluster import locks, service_pods
from support.cluster.ports import ADMIN, HTTP, SSH
from support.cluster.relay import relay
from support.cluster.repositories import Repository
from support.cluster.scripted_model import ScriptedModel
from support.cluster.service_door import Door
from support.cluster.service_pods import GIT, MODEL, PORTS
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cluster.kit import Kit
    from support.cluster.kubectl import Kubectl, Manifest
    from support.cluster.relay import Ways

_READY_SECONDS = 60


@dataclass(frozen=True)
class Services:
    """The git server and the model, from this machine (``ways``) and from pods."""

    namespace: str
    ways: Ways
    host_key: str

    @classmethod
    def at(cls, namespace: str, ways: Ways) -> Services:
        """Wait until both answer."""
        host_key = wait_for(lambda: Door(ways[GIT, ADMIN]).call("GET", "/"), 5, "the git server")
        wait_for(lambda: Door(ways[MODEL, HTTP]).call("GET", "/-/notes"), 5, "the model")
        return cls(namespace, ways, host_key.decode().strip())

    def repository(self, folder: Path) -> Repository:
        """Make a repository; its keys are kept in a folder of this machine."""
        host = f"{GIT}.{self.namespace}.svc"
        name = f"r{uuid.uuid4().hex[:12]}"
        repository = Repository(
            name=name,
            pod_url_http=f"http://{host}:{HTTP}/{name}.git",
            pod_url_ssh=f"ssh://git@{host}:{SSH}/{name}.git",
            host_url=f"http://127.0.0.1:{self.ways[GIT, HTTP]}/{name}.git",
            host_url_ssh=f"ssh://git@127.0.0.1:{self.ways[GIT, SSH]}/{name}.git",
            host_key=self.host_key,
            folder=folder,
            door=Door(self.ways[GIT, ADMIN], f"/{name}"),
        )
        repository.make()
        return repository

    def model(self, key: str) -> ScriptedModel:
        """Return a model that shares nothing with those of other keys."""
        url = f"http://{MODEL}.{self.namespace}.svc:{HTTP}/{key}"
        return ScriptedModel(url, Door(self.ways[MODEL, HTTP], f"/{key}"))


@contextlib.contextmanager
def running(kubectl: Kubectl, kit: Kit | None, shared: Path) -> Iterator[Services]:
    """Have the services run for a ``with`` block, together with all processes that want them."""
    setup, record = shared / "services.setup", _record(shared)
    with contextlib.ExitStack() as stack:
        user = contextlib.ExitStack()
        with locks.held(setup):
            user.enter_context(locks.held(_users(record), shared=True))
            stack.callback(_release, kubectl, setup, record, user)
            _remove_unused(kubectl, shared)
            namespace = _ensure(kubectl, record)
        inside = kubectl.inside(namespace)
        with relay(inside, kit, PORTS) as ways:
            yield Services.at(namespace, ways)


def _record(shared: Path) -> Path:
    """Return where the namespace is noted; services of other programs are noted elsewhere."""
    made_of = json.dumps(service_pods.manifests("")).encode()
    return shared / f"services-{hashlib.sha256(made_of).hexdigest()[:12]}.json"


def _users(record: Path) -> Path:
    return record.with_suffix(".users")


def _release(kubectl: Kubectl, setup: Path, record: Path, user: contextlib.ExitStack) -> None:
    """Be no user any more; remove the services if there is none left."""
    with locks.held(setup):
        user.close()
        _remove_unused(kubectl, record.parent)


def _remove_unused(kubectl: Kubectl, shared: Path) -> None:
    for record in shared.glob("services-*.json"):
        if locks.is_free(_users(record)):
            _delete(kubectl, record.read_text())
            record.unlink()


def _delete(kubectl: Kubectl, namespace: str) -> None:
    kubectl.run("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


def _ensure(kubectl: Kubectl, record: Path) -> str:
    """Return the namespace of the services; make them if they do not run."""
    if record.exists():
        namespace = record.read_text()
        if _are_running(kubectl, namespace):
            return namespace
        _delete(kubectl, namespace)
    namespace = f"sdlc-test-services-{uuid.uuid4().hex[:6]}"
    record.write_text(namespace)
    kubectl.inside(namespace).create(*service_pods.manifests(namespace))
    wait_for(lambda: _are_running(kubectl, namespace), _READY_SECONDS, "the start of the services")
    return namespace


def _are_running(kubectl: Kubectl, namespace: str) -> bool:
    pods = kubectl.inside(namespace).items("pods")
    stuck = [reason for pod in pods if (reason := _stuck(pod))]
    if stuck:
        pytest.fail(f"the test services do not start: {stuck[0]}")
    return len(pods) == len(PORTS) and all(_is_ready(pod) for pod in pods)


def _is_ready(pod: Manifest) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _stuck(pod: Manifest) -> str:
    for container in pod["status"].get("containerStatuses", ()):
        waiting = container["state"].get("waiting", {})
        if waiting.get("reason", "").startswith("Err"):
            return f"{waiting['reason']}: {waiting.get('message')}; run tests/cluster/images"
    return ""
