"""A rig on the cluster that KUBECONFIG names, for benchmarks; made as the tests make theirs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from support.cluster import harness, kit, kubectl, locks, namespaces
from support.cluster import services as test_services
from support.cluster.pod_template import Form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cluster.harness import ClusterHarness

_IMAGES = Path(__file__).parents[1] / "tests" / "cluster" / "images"


def is_there() -> bool:
    """Whether a cluster is named; without one these benchmarks are left out."""
    there = bool(os.environ.get("KUBECONFIG")) and kubectl.config_file().is_file()
    if not there:
        print("cluster  left out: KUBECONFIG names no cluster", flush=True)
    return there


@contextlib.contextmanager
def rigged(form: Form = Form.ONE) -> Iterator[ClusterHarness]:
    """Yield a checkout whose attempts run in a namespace of its own."""
    cluster = kubectl.Kubectl(str(kubectl.config_file()))
    shared = locks.folder(cluster.server())
    name = f"sdlc-test-{uuid.uuid4().hex[:8]}"
    subprocess.run([_IMAGES], check=True, capture_output=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        locks.undisturbed(shared),
        test_services.running(cluster, kit.find(), shared) as services,
    ):
        repository = services.repository(Path(folder) / "repository")
        model = services.model(f"m{uuid.uuid4().hex[:12]}")
        namespace = namespaces.create(cluster, name, repository, model)
        (Path(folder) / "rig").mkdir()
        try:
            made = harness.create(Path(folder) / "rig", repository, namespace, model)
            made.template(form)
            yield made
        finally:
            namespaces.delete(cluster, name)
