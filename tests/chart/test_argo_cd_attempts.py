"""Attempts that run while Argo CD syncs, prunes, heals and removes what is around them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from support.chart import argo
from support.chart.rendering import NAME
from support.cluster import harness as cluster_rigs
from support.cluster import kit, releases
from support.cluster import services as test_services
from support.cluster.namespaces import MANAGED, Namespace
from support.cluster.releases import Release
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.chart.argo import Application
    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Kubectl, Manifest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

Seen = dict[str, Any]
Witness = Callable[[], Seen]
LABEL, ANNOTATION = "app.kubernetes.io/instance", "argocd.argoproj.io/tracking-id"
# What Argo CD takes for its own, and so prunes, by the method of tracking.
TRACKED_BY = {"label": "label", "annotation": "annotation", "annotation+label": "annotation"}
BOTH = {*TRACKED_BY.values()}
# Two releases, of which each has an object that the other has not.
QUOTA, POLICY = (
    {"resourceQuota": {"enabled": quota}, "networkPolicy": {"enabled": not quota}}
    for quota in (True, False)
)
BY_HAND = 1
TASK = "T001"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rig")


@pytest.fixture(scope="module")
def harness(
    applications: dict[str, Application], cluster: Kubectl, shared: Path, folder: Path
) -> Iterator[ClusterHarness]:
    """A developer whose attempts run in the development release, and wait to be let go."""
    dev = applications["dev"]
    with test_services.running(cluster, kit.find(), shared) as services:
        repository = services.repository(folder / "repository")
        model = services.model(folder.parent.name)
        values = releases.values("dev", repository, model)[NAME]
        dev.source.change("dev", {**values, "agent": {**values["agent"], "form": "single"}})
        dev.come_up()
        namespace = Namespace(dev.agents.namespace, dev.agents)
        releases.give_secrets(Release("dev", namespace, folder), repository)
        made = cluster_rigs.create(folder, repository, namespace, model)
        made.agent(f"hold(); open('{TASK}.txt', 'w').write('done')")
        made.tasks(f"- [ ] {TASK} [ASYNC] Write `{TASK}.txt`\n")
        yield made


@pytest.fixture(scope="module")
def attempt(harness: ClusterHarness) -> Iterator[Witness]:
    """An attempt that works all the while, and in the end succeeds."""
    spawned = harness.run("spawn", TASK)
    assert spawned.code == 0, spawned.stdout
    wait_for(lambda: "working" in harness.run("status").stdout, what="work")
    yield lambda: witness(harness.namespace)
    harness.model.open()
    ended = harness.run("follow", TASK)
    assert ended.outcome(TASK)["outcome"] == "succeeded", ended.stdout


def witness(namespace: Namespace) -> Seen:
    """Return what would differ if somebody had touched the Job or the pod of the attempt."""
    (job,), (pod,) = namespace.jobs(MANAGED), namespace.pods(MANAGED)
    (status,) = pod["status"]["containerStatuses"]
    assert "running" in status["state"]
    volatile = {"resourceVersion", "generation", "managedFields"}
    seen: Seen = {"container": status["containerID"]}
    for each in (job, pod):
        kept = {key: value for key, value in each["metadata"].items() if key not in volatile}
        seen[each["kind"]] = {**each["spec"], "metadata": kept}
    return seen


def decoy(dev: Application, by: str) -> Manifest:
    """Return a Job that never runs, marked as one of Argo CD's by one of its ways."""
    name = f"decoy-{by}"
    marks = {
        "label": {"labels": {LABEL: dev.name}},
        "annotation": {
            "annotations": {ANNOTATION: f"{dev.name}:batch/Job:{dev.agents.namespace}/{name}"}
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, **marks[by]},
        "spec": {
            "suspend": True,
            "template": {
                "spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "any"}]}
            },
        },
    }


@pytest.mark.parametrize("method", TRACKED_BY)
def test_prune_and_self_heal_touch_what_is_tracked_and_no_attempt(
    applications: dict[str, Application], attempt: Witness, method: str
) -> None:
    dev, before = applications["dev"], attempt()
    dev.come_up()
    argo.track(dev.argo, method)
    dev.agents.create(*(decoy(dev, by) for by in BOTH))
    dev.look()
    wait_for(lambda: decoys(dev) == BOTH - {TRACKED_BY[method]}, what="the decoy's end")
    dev.agents.run("delete", "jobs", *(f"decoy-{by}" for by in decoys(dev)))
    dev.come_up()
    assert attempt() == before

    there = set(dev.objects())
    other = POLICY if any("Quota" in name for name in there) else QUOTA
    dev.wait_synced(dev.source.change("dev", other))
    now = set(dev.objects())
    assert len(there - now) == len(now - there) == 1
    assert attempt() == before

    change_by_hand(dev)
    wait_for(lambda: is_healed(dev), what="the healing")
    assert attempt() == before


def decoys(dev: Application) -> set[str]:
    names = [each["metadata"]["name"] for each in dev.agents.items("jobs")]
    return {name.removeprefix("decoy-") for name in names if name.startswith("decoy-")}


def change_by_hand(dev: Application) -> None:
    patch = json.dumps({"template": {"spec": {"terminationGracePeriodSeconds": BY_HAND}}})
    dev.agents.run("patch", "podtemplate", dev.release, f"--patch={patch}")


def is_healed(dev: Application) -> bool:
    pod = dev.agents.get("podtemplate", dev.release)["template"]["spec"]
    return bool(pod["terminationGracePeriodSeconds"] != BY_HAND)


def test_an_application_removed_with_all_that_is_its_leaves_attempts(
    applications: dict[str, Application], attempt: Witness
) -> None:
    dev = applications["dev"]
    dev.come_up()
    before, managed = attempt(), dev.objects()
    assert managed
    dev.delete_all()
    left = dev.agents.run("get", *managed, "--ignore-not-found", "--output=name")
    assert not left
    assert attempt() == before
