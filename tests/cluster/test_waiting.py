"""Attempts that cannot begin, or not yet: what is told, and when they are given up."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from support.cluster.background_verb import Followed
from support.cluster.changed_template import agent, change, runner, volume
from support.cluster.other_machine import other_machine
from support.cluster.pod_template import Form, pod_template
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cluster.changed_template import PodSpec
    from support.cluster.harness import ClusterHarness

    Release = Callable[[], object]

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TASK = "- [ ] T001 [ASYNC] Write `T001.txt`\n"
SOON = ("--set", "limits.create_seconds=2")
NOWHERE = "docker.io/local/nothing-of-that-name:1"


def absent_image(pod: PodSpec) -> None:
    runner(pod).update(image=NOWHERE, imagePullPolicy="Never")


def absent_image_of_agent(pod: PodSpec) -> None:
    agent(pod).update(image=NOWHERE, imagePullPolicy="Never")


def no_image_name(pod: PodSpec) -> None:
    runner(pod).update(image="Not A:Name")


def no_secret(pod: PodSpec) -> None:
    volume(pod, "git-credentials")["secret"]["secretName"] = "not-there"


def no_key(pod: PodSpec) -> None:
    volume(pod, "model-keys")["secret"]["items"] = [{"key": "nope", "path": "nope"}]


def no_config_map(pod: PodSpec) -> None:
    source = {"configMapKeyRef": {"name": "not-there", "key": "nope"}}
    runner(pod).setdefault("env", []).append({"name": "X", "valueFrom": source})


def insecure(pod: PodSpec) -> None:
    pod["securityContext"] = {}


def no_account(pod: PodSpec) -> None:
    pod["serviceAccountName"] = "not-there"


def no_node(pod: PodSpec) -> None:
    pod["nodeSelector"] = {"example.com/none": "such"}


def no_scheduler(pod: PodSpec) -> None:
    pod["schedulerName"] = "nobody"


@dataclass(frozen=True)
class Case:
    """A template that cannot work: what is told of it, after which phases, and how soon."""

    change: Any
    code: str
    says: str
    phases: list[str] = field(default_factory=list)
    form: Form = Form.ONE
    limits: tuple[str, ...] = SOON


CASES = [
    Case(no_image_name, "image_name_invalid", "parse image name", ["pulling"], limits=()),
    Case(absent_image_of_agent, "image_pull_failed", NOWHERE, ["pulling"], Form.TWO),
    Case(no_key, "volume_not_mounted", "non-existent secret key: nope", ["pending"], Form.TWO),
    Case(no_config_map, "container_not_created", 'configmap "not-there" not found'),
    Case(insecure, "admission_refused", 'violates PodSecurity "restricted', ["pending"]),
    Case(no_account, "admission_refused", 'serviceaccount "not-there" not found', ["pending"]),
    Case(
        no_node,
        "unschedulable",
        "didn't match Pod's node affinity",
        ["pending"],
        limits=("--set", "limits.queue_seconds=2"),
    ),
    Case(
        no_scheduler,
        "pending_too_long",
        "it was pending",
        ["pending"],
        limits=("--set", "limits.start_seconds=2"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.change.__name__)
def test_what_cannot_begin_is_given_up_with_the_reason(harness: ClusterHarness, case: Case) -> None:
    harness.tasks(TASK)
    change(harness, case.change, case.form)
    if case.form is Form.TWO:
        harness.use_opencode()
    result = harness.run("spawn", "T001", "--follow", *case.limits)
    assert result.code == 1
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("rejected", case.code)
    assert case.says in outcome["message"]
    assert "nothing is lost" in outcome["message"]
    assert "`sdlc-runner spawn T001` starts it again" in outcome["hint"]
    phases = [event["phase"] for event in result.of("phase")]
    assert phases[-len(case.phases) :] == case.phases or not case.phases
    if case.code != "pending_too_long":
        (warning,) = result.of("warning")
        assert (warning["code"], bool(warning["hint"])) == (case.code, True)
    assert nothing_runs(harness)
    (row,) = harness.run("status").of("row")
    assert (row["state"], row["outcome"], row["code"]) == ("ended", "rejected", case.code)


def nothing_runs(harness: ClusterHarness) -> bool:
    """Whether every pod is gone, and the one Job will make no other."""
    wait_for(lambda: not harness.namespace.pods(), 30, "the end of all pods")
    (job,) = harness.namespace.jobs()
    command = ("wait", "--for=condition=Failed", f"job/{job['metadata']['name']}", "--timeout=30s")
    return harness.namespace.kubectl.try_run(*command).ok


def test_once_the_cause_is_fixed_the_same_attempt_begins_anywhere(harness: ClusterHarness) -> None:
    harness.tasks(TASK)
    change(harness, no_secret)
    assert harness.run("spawn", "T001", "--follow", *SOON).code == 1
    elsewhere = other_machine(harness)
    (row,) = elsewhere.run("status").of("row")
    assert (row["outcome"], row["code"]) == ("rejected", "volume_not_mounted")
    told = elsewhere.run("verify", "T001").outcome("T001")
    assert (told["outcome"], told["code"]) == ("rejected", "volume_not_mounted")
    assert 'secret "not-there" not found' in told["message"]
    harness.namespace.secret("not-there", harness.repository.secret())
    result = elsewhere.run("retry", "T001", "--follow")
    assert result.outcome("T001")["outcome"] == "succeeded"
    assert result.outcome("T001")["attempt"] == 1
    assert len(harness.namespace.jobs()) == 1


def use_up_the_quota(harness: ClusterHarness) -> Release:
    quota = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "none"}}
    harness.namespace.kubectl.apply({**quota, "spec": {"hard": {"pods": "0"}}})
    return lambda: harness.namespace.kubectl.run("delete", "resourcequota", "none")


def close_a_gate(harness: ClusterHarness) -> Release:
    change(harness, lambda pod: pod.update(schedulingGates=[{"name": "example.com/gate"}]))

    def opened() -> None:
        (pod,) = harness.namespace.pods()
        gone = [{"op": "remove", "path": "/spec/schedulingGates"}]
        args = ("patch", "pod", pod["metadata"]["name"], "--type=json", f"-p={json.dumps(gone)}")
        harness.namespace.kubectl.run(*args)

    return opened


def want_another_node(harness: ClusterHarness) -> Release:
    label = f"sdlc-test-{harness.namespace.name}"
    change(harness, lambda pod: pod.update(nodeSelector={label: "yes"}))
    (node,) = harness.namespace.kubectl.items("nodes")
    name = node["metadata"]["name"]
    return lambda: harness.namespace.kubectl.run("label", "node", name, f"{label}=yes")


@pytest.mark.parametrize(
    ("hold", "told"),
    [
        (use_up_the_quota, ("queued",)),
        (close_a_gate, ("queued",)),
        (want_another_node, ("warning",)),
    ],
    ids=["quota", "gate", "node"],
)
def test_what_waits_for_room_is_not_given_up_and_runs_in_the_end(
    harness: ClusterHarness, hold: Callable[[ClusterHarness], Release], told: tuple[str]
) -> None:
    harness.tasks(TASK)
    harness.agent("hold('agent'); pathlib.Path('T001.txt').write_text('done')")
    release = hold(harness)
    followed = Followed(harness.start("spawn", "T001", "--follow", *SOON))
    event = followed.wait_for(*told)
    assert event.get("reason") or event["hint"]
    time.sleep(3)  # the patience with what cannot work is over
    assert not followed.of("outcome")
    release()
    followed.wait_for("phase", phase="working")
    harness.namespace.kubectl.run("label", "nodes", "--all", f"sdlc-test-{harness.namespace.name}-")
    harness.model.open("agent")
    assert followed.result().outcome("T001")["outcome"] == "succeeded"


def test_a_suspended_job_is_queued_and_runs_when_it_is_let_go(harness: ClusterHarness) -> None:
    harness.tasks(TASK)
    free = use_up_the_quota(harness)
    harness.run("spawn", "T001")
    suspend(harness, on=True)
    free()
    limits = ("--set", "limits.start_seconds=1", *SOON)
    followed = Followed(other_machine(harness).start("follow", "T001", *limits))
    assert "suspended" in followed.wait_for("queued")["reason"]
    (row,) = harness.run("status").of("row")
    assert row["state"] == "running"
    time.sleep(2.5)
    assert not followed.of("outcome")
    followed.kill()
    suspend(harness, on=False)
    assert harness.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"


def suspend(harness: ClusterHarness, *, on: bool) -> None:
    (job,) = harness.namespace.jobs()
    patch = json.dumps({"spec": {"suspend": on}})
    harness.namespace.kubectl.run("patch", "job", job["metadata"]["name"], f"-p={patch}")


def test_a_job_that_the_cluster_refuses_is_an_error_and_nothing_is_left(
    harness: ClusterHarness,
) -> None:
    harness.tasks(TASK)
    bad = pod_template(Form.ONE)
    bad["template"]["spec"]["serviceAccountName"] = "Not A Name"
    file = harness.folder / "template.yaml"
    file.write_text(json.dumps(bad))
    result = harness.run("spawn", "T001", "--set", f"kubernetes.template_file={file}")
    assert (result.error["code"], bool(result.error["hint"])) == ("cluster_refused", True)
    assert "serviceAccountName" in result.error["message"]
    quota = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "jobs"}}
    harness.namespace.kubectl.apply({**quota, "spec": {"hard": {"count/jobs.batch": "0"}}})
    harness.template(Form.ONE)
    result = harness.run("spawn", "T001", "--follow")
    assert "exceeded quota: jobs" in result.error["message"]
    assert "sdlc-runner gc" in result.error["hint"]
    assert not harness.namespace.leftovers()
