"""``helm uninstall`` on a real cluster while attempts run, and when none does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chart.test_network_enforced import IMAGE as BASE
from sdlc_runner.backends.kubernetes import job_spec
from support.chart.rendering import MAJORS, RELEASES, helm
from support.cluster import kit, pod_security

if TYPE_CHECKING:
    from sdlc_runner.process import Completed
    from support.cluster.kubectl import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

NAME = RELEASES["dev"].name
GUARD = f"{NAME}-uninstall-guard"
VALUES = "agentic-sdlc-agent-runner"
KINDS = (
    "jobs,pods,podtemplates,serviceaccounts,roles,rolebindings,networkpolicies,configmaps,secrets"
)
ITS_OWN = {"serviceaccount/default", "configmap/kube-root-ca.crt"}
every_helm = pytest.mark.parametrize("major", MAJORS, ids=lambda major: f"helm{major}")


def call(agents: Kubectl, major: int, verb: str, *arguments: str) -> Completed:
    where = [f"--kubeconfig={agents.config}", f"--namespace={agents.namespace}"]
    return helm(verb, *arguments, *where, major=major)


def install(agents: Kubectl, major: int, *settings: str) -> None:
    flags = [f"--set={VALUES}.{setting}" for setting in settings]
    chart = str(RELEASES["dev"])
    done = call(agents, major, "upgrade", NAME, chart, "--install", *flags)
    assert done.ok, done.error_text


def there(agents: Kubectl) -> set[str]:
    """What is in the namespace, but what Kubernetes and Helm keep there for themselves."""
    names = agents.run("get", KINDS, "--output=name").splitlines()
    found = {name.replace(".rbac.authorization.k8s.io", "") for name in names}
    return {name for name in found - ITS_OWN if "/sh.helm.release" not in name}


def attempt(agents: Kubectl, **spec: Any) -> None:  # noqa: ANN401
    """A Job with the labels of an attempt, that runs until it is deleted."""
    container = {
        "name": "runner",
        "image": BASE,
        "imagePullPolicy": "Never",
        "command": ["sleep", "600"],
        "resources": {"requests": {"cpu": "1m"}, "limits": {"cpu": "1", "memory": "64Mi"}},
        "securityContext": pod_security.CONTAINER,
    }
    pod = {
        "containers": [container],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "securityContext": pod_security.pod(10001),
    }
    labels = {**job_spec.MANAGED, job_spec.TASK: "t001", job_spec.NUMBER: "2"}
    agents.create(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "attempt", "labels": labels},
            "spec": {"template": {"spec": pod}, "backoffLimit": 0, **spec},
        }
    )


def end_attempt(agents: Kubectl) -> None:
    agents.run("delete", "job", "attempt", "--cascade=foreground")


@pytest.fixture(autouse=True)
def _nodes_have_the_images(agents: Kubectl) -> None:
    kit.need_images(agents, BASE, "docker.io/local/sdlc-agent:dev")


@every_helm
def test_it_is_refused_while_an_attempt_runs_and_nothing_is_taken_away(
    agents: Kubectl, major: int
) -> None:
    install(agents, major)
    attempt(agents)
    agents.run("wait", "--for=jsonpath={.status.ready}=1", "job/attempt", "--timeout=60s")
    before = there(agents)
    refused = call(agents, major, "uninstall", NAME)
    assert not refused.ok
    said = refused.text + refused.error_text
    assert "task t001, attempt 2: Job attempt, since " in said
    assert "sdlc-runner cancel TASK" in said
    assert f"helm rollback {NAME} 1 -n {agents.namespace}" in said
    left = {each.partition(GUARD)[0] for each in there(agents) - before}
    assert (before - there(agents), left) == (set(), {"job.batch/", "pod/"})
    log = agents.run("logs", f"job/{GUARD}")
    assert log.startswith("REFUSED: 1 of the namespace's attempts"), (
        "also for a Helm that is silent"
    )

    kept = call(agents, major, "rollback", NAME, "1")
    assert kept.ok, kept.error_text
    install(agents, major, "kueue.queueName=q")
    assert call(agents, major, "uninstall", NAME).code == 1, "the upgrade has it too"

    end_attempt(agents)
    gone = call(agents, major, "uninstall", NAME, "--wait")
    assert gone.ok, gone.error_text
    assert not there(agents)


@every_helm
@pytest.mark.parametrize("way", ["by value", "without hooks"])
def test_there_are_two_ways_to_uninstall_all_the_same(
    agents: Kubectl, major: int, way: str
) -> None:
    install(agents, major)
    attempt(agents)
    flags = ["--no-hooks"] if way == "without hooks" else []
    if way == "by value":
        install(agents, major, "uninstallGuard.enabled=false")
    gone = call(agents, major, "uninstall", NAME, "--wait", *flags)
    assert gone.ok, gone.error_text
    assert {each.partition("-")[0] for each in there(agents)} <= {
        "job.batch/attempt",
        "pod/attempt",
    }
    end_attempt(agents)


def test_an_attempt_that_waits_counts_and_one_that_ended_does_not(agents: Kubectl) -> None:
    install(agents, 4)
    attempt(agents, suspend=True)
    assert call(agents, 4, "uninstall", NAME).code == 1
    patch = '{"spec":{"suspend":false,"activeDeadlineSeconds":1}}'
    agents.run("patch", "job", "attempt", f"--patch={patch}")
    agents.run("wait", "--for=condition=Failed", "job/attempt", "--timeout=60s")
    gone = call(agents, 4, "uninstall", NAME, "--wait")
    assert gone.ok, gone.error_text
    assert there(agents) <= {"job.batch/attempt"}
    end_attempt(agents)


def test_a_quota_lets_it_in(agents: Kubectl) -> None:
    hard = {"pods": 2, "requests.cpu": 1, "limits.cpu": 2, "requests.memory": "1Gi"}
    bounds = ",".join(f"{key}={value}" for key, value in {**hard, "limits.memory": "1Gi"}.items())
    agents.run("create", "quota", "tight", f"--hard={bounds}")
    install(agents, 4)
    gone = call(agents, 4, "uninstall", NAME, "--wait")
    agents.run("delete", "quota", "tight")
    assert gone.ok, gone.error_text + gone.text


def test_without_its_rights_it_refuses_and_says_why(agents: Kubectl) -> None:
    install(agents, 4)
    job, account = (json.loads(helm_hook(agents, kind)) for kind in ("Job", "ServiceAccount"))
    agents.create(account, job)
    agents.run("wait", "--for=condition=Failed", f"job/{GUARD}", "--timeout=90s")
    log = agents.run("logs", f"job/{GUARD}")
    assert "REFUSED: cannot find out whether attempts run" in log
    assert 'cannot list resource "jobs"' in log
    assert call(agents, 4, "uninstall", NAME, "--wait").ok, "what was left is made again"
    assert not there(agents)


def helm_hook(agents: Kubectl, kind: str) -> str:
    """One object of the hook, as Helm has stored it, as JSON."""
    text = call(agents, 4, "get", "hooks", NAME).text
    (found,) = (each for each in text.split("---\n") if f"\nkind: {kind}\n" in each)
    return agents.run(
        "create", "--dry-run=client", "--output=json", "--filename=-", stdin=found.encode()
    )


def test_its_account_may_list_jobs_and_nothing_else(agents: Kubectl) -> None:
    install(agents, 4)
    for kind in ("ServiceAccount", "Role", "RoleBinding"):
        agents.create(json.loads(helm_hook(agents, kind)))
    rights = {name: rights_of(agents, name) for name in (GUARD, "one-that-nobody-made")}
    assert rights[GUARD] - rights["one-that-nobody-made"] == {("jobs.batch", "[]", "[]", "[list]")}
    assert call(agents, 4, "uninstall", NAME, "--wait").ok
    assert not there(agents)


def rights_of(agents: Kubectl, account: str) -> set[tuple[str, ...]]:
    who = f"--as=system:serviceaccount:{agents.namespace}:{account}"
    groups = ["--as-group=system:serviceaccounts", "--as-group=system:authenticated"]
    lines = agents.run("auth", "can-i", "--list", who, *groups).splitlines()
    return {tuple(line.split()) for line in lines}
