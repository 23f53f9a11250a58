"""A namespace on the cluster that KUBECONFIG names."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from support.chart import argo
from support.cluster import kit, locks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.chart.argo import Application
    from support.cluster.kubectl import Kubectl

RESTRICTED = "pod-security.kubernetes.io/enforce"


@pytest.fixture(scope="module")
def agents(cluster: Kubectl, shared: Path) -> Iterator[Kubectl]:
    """A new namespace that enforces Pod Security restricted, while nobody makes faults."""
    name = f"chart-{uuid.uuid4().hex[:8]}"
    with locks.undisturbed(shared):
        cluster.run("create", "namespace", name)
        cluster.run("label", "namespace", name, f"{RESTRICTED}=restricted")
        yield cluster.inside(name)
        cluster.run("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def applications(
    cluster: Kubectl, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Application]]:
    """The Applications of all stages, while nobody else has them and nobody makes faults."""
    with locks.held(shared / "argo-cd"):
        argo_cd = _argo_cd(cluster, shared)
        with locks.undisturbed(shared):
            source = argo.Source.create(tmp_path_factory.mktemp("source"))
            with argo.applications(argo_cd, source) as found:
                yield found


def _argo_cd(cluster: Kubectl, shared: Path) -> Kubectl:
    """Return its namespace; it must be the test cluster's, which reads this machine's folders."""
    found, program = cluster.inside("argocd"), kit.find()
    with locks.undisturbed(shared):
        there = found.try_run("get", "configmap", "argocd-cm").ok
    if not program or not there:
        kit.lacking("no Argo CD here; scripts/setup --cluster gives it to the test cluster")
    program.ensure_up(shared)  # of its processes, too, those that a fault has ended
    return found
