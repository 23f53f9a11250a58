"""A namespace on the cluster that KUBECONFIG names."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from chart import argo
from cluster import kit, locks
from cluster.kubectl import Kubectl, config_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chart.argo import Application

RESTRICTED = "pod-security.kubernetes.io/enforce"


@pytest.fixture(scope="session")
def cluster() -> Kubectl:
    """The cluster; without one, tests are skipped, and fail in CI."""
    found = Kubectl(str(config_file()))
    answer = found.try_run("get", "--raw=/readyz", "--request-timeout=10s")
    if not answer.ok:
        kit.lacking(f"no cluster that KUBECONFIG names answers: {answer.error_text}")
    return found


@pytest.fixture(scope="module")
def agents(cluster: Kubectl, shared: Path) -> Iterator[Kubectl]:
    """A new namespace that enforces Pod Security restricted, while nobody makes faults."""
    name = f"chart-{uuid.uuid4().hex[:8]}"
    with locks.fair(shared / "faults", shared=True):
        cluster.run("create", "namespace", name)
        cluster.run("label", "namespace", name, f"{RESTRICTED}=restricted")
        yield cluster.inside(name)
        cluster.run("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def applications(
    cluster: Kubectl, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Application]]:
    """The Applications of all stages, while nobody else has them and nobody makes faults."""
    with locks.held(shared / "argo-cd"), locks.fair(shared / "faults", shared=True):
        source = argo.Source.create(tmp_path_factory.mktemp("source"))
        with argo.applications(_argo_cd(cluster), source) as found:
            yield found


def _argo_cd(cluster: Kubectl) -> Kubectl:
    """Return its namespace; it must be the test cluster's, which reads this machine's folders."""
    found, program = cluster.inside("argocd"), kit.find()
    if not program or not found.try_run("get", "configmap", "argocd-cm").ok:
        kit.lacking("no Argo CD here; scripts/setup --cluster gives it to the test cluster")
    else:
        program.run("up")  # of its processes, too, those that a fault has ended
    return found


@pytest.fixture(scope="session")
def shared(cluster: Kubectl) -> Path:
    """The folder that all test processes of this machine share for this cluster."""
    view = "jsonpath={.clusters[0].cluster.server}"
    return locks.folder(cluster.run("config", "view", "--minify", "--output", view))
