"""A namespace on the cluster that KUBECONFIG names."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from cluster import kit, locks
from cluster.kubectl import Kubectl, config_file

if TYPE_CHECKING:
    from collections.abc import Iterator

RESTRICTED = "pod-security.kubernetes.io/enforce"


def _without_cluster(sentence: str) -> None:
    if os.environ.get("CI") and kit.find():
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def cluster() -> Kubectl:
    """The cluster; without one, tests are skipped, and fail in CI."""
    found = Kubectl(str(config_file()))
    answer = found.try_run("get", "--raw=/readyz", "--request-timeout=10s")
    if not answer.ok:
        _without_cluster(f"no cluster that KUBECONFIG names answers: {answer.error_text}")
    return found


@pytest.fixture(scope="module")
def agents(cluster: Kubectl) -> Iterator[Kubectl]:
    """A new namespace that enforces Pod Security restricted, while nobody makes faults."""
    name = f"chart-{uuid.uuid4().hex[:8]}"
    view = "jsonpath={.clusters[0].cluster.server}"
    shared = locks.folder(cluster.run("config", "view", "--minify", "--output", view))
    with locks.fair(shared / "faults", shared=True):
        cluster.run("create", "namespace", name)
        cluster.run("label", "namespace", name, f"{RESTRICTED}=restricted")
        yield cluster.inside(name)
        cluster.run("delete", "namespace", name, "--wait=false")
