"""``doctor`` on a cluster: each check, its remedy, and with few permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.cluster import spawners
from support.cluster.pod_template import NAME, Form, pod_template
from support.cluster.waiting import wait_for
from support.git.checkouts import picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cluster.harness import ClusterHarness
    from support.harness import Event, Result

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TASKS = "- [ ] T001 [ASYNC] Write `one.txt`\n"
BEFORE = ["python", "git", "repository", "branch", "identity", "feature", "remote", "published"]
CLUSTER = ["clone", "cluster", "namespace", "permissions"]
POD = ["template", "secrets", "image", "quota", "admission"]
LINKS = [*BEFORE, *CLUSTER, *POD, "opencode", "state"]


def bad(done: Result) -> list[Event]:
    return [event for event in done.of("check") if not event["ok"]]


def link(done: Result, name: str) -> Event:
    (found,) = (event for event in done.of("check") if event["name"] == name)
    return found


def inventory(harness: ClusterHarness) -> set[tuple[str, str]]:
    found = harness.namespace.kubectl.items(
        "jobs,pods,secrets,configmaps,podtemplates,resourcequotas,serviceaccounts"
    )
    return {(each["kind"], each["metadata"]["uid"]) for each in found}


def as_account(harness: ClusterHarness, account: str) -> None:
    spawners.create(harness.namespace)
    harness.env["KUBECONFIG"] = spawners.kubeconfig(harness.namespace, account, harness.folder)


def test_every_link_holds_and_nothing_is_changed(harness: ClusterHarness) -> None:
    harness.tasks(TASKS)
    before = picture(harness.checkout), harness.remote_refs(), inventory(harness)
    done = harness.run("doctor")
    assert (done.code, bad(done)) == (0, [])
    assert [event["name"] for event in done.of("check")] == LINKS
    assert (picture(harness.checkout), harness.remote_refs(), inventory(harness)) == before
    assert harness.repository.token not in done.stdout


def test_the_spawner_role_is_enough_for_the_whole_way(harness: ClusterHarness) -> None:
    harness.agent("hold(); pathlib.Path('one.txt').write_text('1')")
    as_account(harness, spawners.SPAWNER)
    harness.tasks(TASKS)
    done = harness.run("doctor")
    assert (done.code, bad(done)) == (0, []), done.stdout
    assert "spawner" in link(done, "cluster")["message"]
    assert "git-credentials" in link(done, "secrets")["message"]
    assert harness.run("spawn", "T001").code == 0
    (row,) = harness.run("status").of("row")
    assert row["state"] == "running"
    cancelled = harness.run("cancel", "T001")
    assert cancelled.outcome("T001")["outcome"] == "cancelled"
    harness.model.open()
    assert harness.run("retry", "T001", "--follow").outcome("T001")["outcome"] == "succeeded"
    assert harness.run("logs", "T001").of("result")
    assert harness.run("merge").code == 0
    assert {event["what"] for event in harness.run("gc").of("removed")} >= {"branch", "state"}
    wait_for(lambda: not harness.namespace.jobs())


def test_someone_without_rights_is_reported_what_to_ask_for(harness: ClusterHarness) -> None:
    as_account(harness, spawners.NOBODY)
    harness.tasks(TASKS)
    done = harness.run("doctor")
    assert done.code == 3
    assert [event["name"] for event in bad(done)] == ["permissions", "template"]
    told = link(done, "permissions")
    assert told["code"] == "cluster_forbidden"
    assert "create, get, list, watch, patch, delete jobs" in told["message"]
    assert f"serviceaccount={harness.namespace.name}:nobody" in told["hint"]
    refused = harness.run("spawn", "T001")
    assert (refused.code, refused.error["code"]) == (3, "cluster_forbidden")
    assert 'cannot list resource "pods"' in refused.error["message"]
    assert "`sdlc-runner doctor` says how" in refused.error["hint"]


def change_pod(
    harness: ClusterHarness, change: Callable[[dict[str, Any]], None], form: Form
) -> None:
    made = pod_template(form)
    change(made["template"]["spec"])
    harness.namespace.kubectl.apply(made)


def no_template(harness: ClusterHarness) -> None:
    harness.namespace.kubectl.run("delete", "podtemplate", NAME)


def token_of_the_cluster(harness: ClusterHarness) -> None:
    change_pod(harness, lambda spec: spec.update(automountServiceAccountToken=True), Form.TWO)


def agent_with_git(harness: ClusterHarness) -> None:
    mount = {"name": "git-credentials", "mountPath": "/secrets/git"}
    change_pod(
        harness, lambda spec: spec["initContainers"][0]["volumeMounts"].append(mount), Form.TWO
    )


def no_token(harness: ClusterHarness) -> None:
    harness.namespace.kubectl.run("delete", "secret", "git-credentials")
    harness.namespace.secret("git-credentials", {"TOKEN": "x"})


def no_secret(harness: ClusterHarness) -> None:
    harness.namespace.kubectl.run("delete", "secret", "model-keys")


def quota(harness: ClusterHarness, **hard: str) -> None:
    harness.namespace.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "small"},
            "spec": {"hard": hard},
        }
    )
    wait_for(lambda: harness.namespace.kubectl.get("resourcequota", "small")["status"].get("hard"))


def too_small_a_quota(harness: ClusterHarness) -> None:
    quota(harness, **{"requests.memory": "1Mi"})


def refused_pod(harness: ClusterHarness) -> None:
    change_pod(harness, lambda spec: spec.update(priorityClassName="no-such-class"), Form.ONE)


def local_remote(harness: ClusterHarness) -> None:
    harness.env["SDLC_RUNNER_CLONE_URL"] = "/srv/repository.git"


def no_namespace(harness: ClusterHarness) -> None:
    harness.env["SDLC_RUNNER_KUBERNETES_NAMESPACE"] = "no-such-namespace"


def no_context(harness: ClusterHarness) -> None:
    harness.env["SDLC_RUNNER_KUBERNETES_CONTEXT"] = "no-such-context"


BROKEN: dict[str, tuple[str, str, str, Callable[[ClusterHarness], None]]] = {
    "no template": ("template", "no_pod_template", "helm upgrade", no_template),
    "token": ("template", "bad_pod_template", "chart", token_of_the_cluster),
    "thief": ("template", "bad_pod_template", "chart", agent_with_git),
    "no token": ("secrets", "bad_credentials", "-o yaml | kubectl apply -f -", no_token),
    "no Secret": ("secrets", "bad_credentials", "create secret generic model-keys", no_secret),
    "quota": ("quota", "cluster_refused", "Raise the quota", too_small_a_quota),
    "refused": ("admission", "cluster_refused", "pod template", refused_pod),
    "local": ("clone", "bad_config", "clone.url", local_remote),
    "namespace": ("namespace", "no_namespace", "--create-namespace", no_namespace),
    "context": ("cluster", "no_cluster", "get-contexts", no_context),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_link_is_named_with_its_remedy(harness: ClusterHarness, name: str) -> None:
    broken, code, hint, break_it = BROKEN[name]
    harness.tasks(TASKS)
    break_it(harness)
    done = harness.run("doctor")
    assert bad(done), done.stdout
    assert (bad(done)[0]["name"], bad(done)[0]["code"]) == (broken, code), done.stdout
    assert hint in bad(done)[0]["hint"]
    assert done.code == done.events[-1]["exit"] != 0


def test_what_is_left_of_a_quota_is_reported(harness: ClusterHarness) -> None:
    harness.tasks(TASKS)
    quota(harness, pods="3", **{"requests.cpu": "120m"})
    told = link(harness.run("doctor"), "quota")
    assert told["message"].startswith("room for 2 more attempts (requests.cpu 0 of 120m")
    quota(harness, pods="0")
    assert bad(harness.run("doctor"))[0]["name"] == "quota"


def test_without_a_cluster_doctor_says_so(harness: ClusterHarness) -> None:
    harness.tasks(TASKS)
    for config, code in (("", "no_cluster"), ("{broken", "no_cluster")):
        file = harness.folder / "kubeconfig"
        file.write_text(config)
        harness.env["KUBECONFIG"] = str(file)
        done = harness.run("doctor")
        assert [event["name"] for event in bad(done)] == ["cluster"]
        assert bad(done)[0]["code"] == code
        assert bad(done)[0]["hint"]
