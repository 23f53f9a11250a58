"""What a cluster, or somebody in it, does to a running attempt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.cluster import node_processes
from support.cluster.background_verb import Followed
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Manifest

TASK = "- [ ] T001 [ASYNC] Write `T001.txt`\n"
HOLDING = "pathlib.Path('T001.txt').write_text('half done'); note('works'); hold()"
REFS = "refs/sdlc-runner/001-demo/T001/1"
BRANCH = "refs/heads/sdlc-runner/001-demo/T001-1"


def saved(harness: ClusterHarness) -> str:
    """Return what the checkpoint holds of the work."""
    return harness.remote_file("T001.txt", f"{REFS}/checkpoint")


def working(harness: ClusterHarness) -> Followed:
    """Start an attempt, and wait until its agent has done half of its work."""
    harness.tasks(TASK)
    harness.agent(HOLDING)
    followed = Followed(harness.start("spawn", "T001", "--follow"))
    wait_for(lambda: "works" in harness.model.notes(), what="work")
    return followed


def name_of(pod: Manifest) -> str:
    name: str = pod["metadata"]["name"]
    return name


def the_pod(harness: ClusterHarness) -> Manifest:
    (pod,) = harness.namespace.pods()
    return pod


def delete(harness: ClusterHarness, pod: Manifest) -> None:
    harness.namespace.kubectl.run("delete", "pod", name_of(pod), "--wait=false")


def evict(harness: ClusterHarness, pod: Manifest) -> None:
    metadata = {"name": name_of(pod), "namespace": harness.namespace.name}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{harness.namespace.name}/pods/{name_of(pod)}/eviction"
    harness.namespace.kubectl.run("create", f"--raw={path}", "-f-", stdin=json.dumps(body).encode())


def delete_job(harness: ClusterHarness, pod: Manifest) -> None:
    job = pod["metadata"]["labels"]["job-name"]
    harness.namespace.kubectl.run("delete", "job", job, "--wait=false")


def force_delete(harness: ClusterHarness, pod: Manifest) -> None:
    harness.namespace.kubectl.run("delete", "pod", name_of(pod), "--force", "--grace-period=0")


def kill_main(_: ClusterHarness, pod: Manifest) -> None:
    node_processes.kill(node_processes.main_process(pod))


def kill_shim(_: ClusterHarness, pod: Manifest) -> None:
    node_processes.kill(node_processes.shim_of(node_processes.main_process(pod)))
