"""Every way in which a running attempt is ended from outside: the reason told, the work saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.cluster import image_override, node_processes, plain_job
from support.cluster.changed_template import agent, change, runner, volume
from support.cluster.other_machine import other_machine
from support.cluster.pod_template import Form
from support.cluster.terminations import (
    REFS,
    TASK,
    delete,
    delete_job,
    evict,
    force_delete,
    kill_main,
    kill_shim,
    saved,
    the_pod,
    working,
)
from support.model.server import Rule, calls, says, shell, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cluster.changed_template import PodSpec
    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Manifest

    Ends = Callable[[ClusterHarness, Manifest], object]

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.mark.parametrize(
    ("ends", "code"),
    [(delete, "pod_deleted"), (evict, "evicted"), (delete_job, "pod_deleted")],
)
def test_a_pod_reported_to_go_saves_its_work_and_the_reason_is_reported(
    harness: ClusterHarness, ends: Ends, code: str
) -> None:
    followed = working(harness)
    ends(harness, the_pod(harness))
    result = followed.result()
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("interrupted", code)
    assert "retry T001 --from-checkpoint" in outcome["hint"]
    assert saved(harness) == "half done"
    assert len(result.of("spawned")) == 1, "what had begun is never begun again by itself"
    if ends is not delete_job:
        (row,) = other_machine(harness).run("status").of("row")
        assert (row["outcome"], row["code"]) == ("interrupted", code)


@pytest.mark.parametrize(
    ("ends", "code"),
    [(force_delete, "pod_deleted"), (kill_main, "killed"), (kill_shim, "runtime_lost")],
)
def test_a_pod_that_was_killed_left_its_last_checkpoint(
    harness: ClusterHarness, ends: Ends, code: str
) -> None:
    if ends is not force_delete:
        node_processes.require_node_here()
    harness.env["SDLC_RUNNER_CHECKPOINT_SECONDS"] = "1"
    followed = working(harness)
    followed.wait_for("checkpoint", reason="interval")
    ends(harness, the_pod(harness))
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("interrupted", code)
    assert saved(harness) == "half done"
    assert outcome["checkpoint"] == f"{REFS}/checkpoint"


def test_a_volume_that_is_full_ends_the_pod_and_says_so(harness: ClusterHarness) -> None:
    change(harness, lambda pod: volume(pod, "home").update(emptyDir={"sizeLimit": "1Mi"}))
    harness.tasks(TASK)
    fill = "pathlib.Path('/home/agent/x').write_bytes(bytes(9 << 20))"
    harness.agent(f"pathlib.Path('T001.txt').write_text('half done'); {fill}; hold()")
    outcome = harness.run("spawn", "T001", "--follow").outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("interrupted", "evicted")
    assert 'volume "home" exceeds the limit "1Mi"' in outcome["message"]
    assert saved(harness) == "half done"


def test_out_of_memory_in_one_container(harness: ClusterHarness) -> None:
    def small(pod: PodSpec) -> None:
        runner(pod)["resources"] = {"limits": {"memory": "150Mi"}}
        volume(pod, "tmp")["emptyDir"] = {"medium": "Memory"}

    change(harness, small)
    harness.tasks(TASK)
    harness.agent("pathlib.Path('/tmp/x').write_bytes(bytes(300 << 20))")
    outcome = harness.run("spawn", "T001", "--follow").outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("interrupted", "out_of_memory")
    assert "Raise the memory limits" in outcome["hint"]


def test_out_of_memory_in_the_agents_container(harness: ClusterHarness) -> None:
    def small(pod: PodSpec) -> None:
        agent(pod)["resources"] = {"limits": {"memory": "700Mi"}}
        volume(pod, "tmp")["emptyDir"] = {"medium": "Memory"}

    change(harness, small, Form.TWO)
    harness.tasks(TASK)
    harness.use_opencode()
    fill = shell("head -c 2000000000 /dev/zero > /tmp/x; head -c 2000000000 /dev/zero > /tmp/y")
    work = calls(write("@folder@/T001.txt", "half done"))
    harness.model.rules(Rule("Implement task T001", (work, calls(fill), says("done"))))
    outcome = harness.run("spawn", "T001", "--follow").outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("interrupted", "out_of_memory")
    assert "The agent's container" in outcome["message"]
    assert saved(harness) == "half done"


def start_instead(harness: ClusterHarness, script: str) -> None:
    """Have the image be one that starts a program of its own, or has none that could start."""
    harness.namespace.kubectl.create(image_override.program("program", script))
    change(
        harness, lambda pod: image_override.put(pod, runner(pod), "program", starts=bool(script))
    )


@pytest.mark.parametrize(
    ("script", "outcome", "code"),
    [
        ("#!/bin/false", "failed", "no_report"),
        ("#!/bin/true", "unverified", "nothing_pushed"),
        ("", "rejected", "container_not_started"),
    ],
    ids=["false", "true", "none"],
)
def test_a_runner_that_is_none_of_ours_is_not_started_again(
    harness: ClusterHarness, script: str, outcome: str, code: str
) -> None:
    harness.tasks(TASK)
    start_instead(harness, script)
    result = harness.run("spawn", "T001", "--follow")
    told = result.outcome("T001")
    assert (told["outcome"], told["code"]) == (outcome, code)
    assert len(result.of("spawned")) == 1
    (row,) = harness.run("status").of("row")
    assert (row["outcome"], row["code"]) == (outcome, code)


@pytest.mark.parametrize("verb", [("run",), ("spawn", "T001", "--follow")], ids=["run", "spawn"])
def test_what_fails_before_the_agent_begins_is_begun_three_times_at_most(
    harness: ClusterHarness, verb: tuple[str, ...]
) -> None:
    harness.tasks(TASK)
    start_instead(harness, "#!/bin/sh\nexit 137")
    result = harness.run(*verb)
    assert result.code == 1
    assert len(result.of("spawned")) == 3
    assert {event["attempt"] for event in result.of("spawned")} == {1}
    told = [(event["outcome"], event["code"]) for event in result.of("outcome")]
    assert told == [("interrupted", "killed")] * 3
    assert len(harness.namespace.jobs()) == 1


@pytest.mark.usefixtures("fault")  # nobody else may want the node meanwhile
def test_a_drained_node(harness: ClusterHarness) -> None:
    followed = working(harness)
    (node,) = harness.namespace.kubectl.items("nodes")
    name, job = node["metadata"]["name"], the_pod(harness)["metadata"]["labels"]["job-name"]
    kubectl = harness.namespace.kubectl
    try:
        kubectl.run("drain", name, f"--pod-selector=job-name={job}", "--delete-emptydir-data")
    finally:
        kubectl.run("uncordon", name)
    warning = followed.wait_for("warning")
    assert (warning["code"], "is being saved" in warning["message"]) == ("evicted", True)
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("interrupted", "evicted")
    assert saved(harness) == "half done"


def test_a_pod_of_higher_priority_takes_its_place(
    harness: ClusterHarness, request: pytest.FixtureRequest
) -> None:
    kubectl, thing = harness.namespace.kubectl, f"example.com/{harness.namespace.name}"
    low, high = f"{harness.namespace.name}-low", f"{harness.namespace.name}-high"
    request.addfinalizer(lambda: kubectl.run("delete", "priorityclass", low, high))
    kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
    for name, value in ((low, -20), (high, -10)):
        kubectl.create({**kind, "metadata": {"name": name}, "value": value})
    offer_one(harness, thing)

    def wants(pod: PodSpec, priority: str) -> None:
        pod["priorityClassName"] = priority
        runner(pod)["resources"] = {"limits": {thing: "1"}}

    change(harness, lambda pod: wants(pod, low))
    followed = working(harness)
    other = plain_job.job("true")
    wants(other["spec"]["template"]["spec"], high)
    kubectl.create(other)
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("interrupted", "preempted")
    assert saved(harness) == "half done"


def offer_one(harness: ClusterHarness, thing: str) -> None:
    """Have every node offer one of something that only this test knows."""
    path = f"/status/capacity/{thing.replace('/', '~1')}"
    patch = json.dumps([{"op": "add", "path": path, "value": "1"}])
    for node in harness.namespace.kubectl.items("nodes"):
        name = node["metadata"]["name"]
        args = ("patch", "node", name, "--subresource=status", "--type=json", f"-p={patch}")
        harness.namespace.kubectl.run(*args)
