"""The chart on a real cluster: installed, changed, tested, removed; and what its parts allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.chart.rendering import CHART, MAJORS, RELEASES, helm
from support.cluster import kit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdlc_runner.process import Completed
    from support.cluster.kubectl import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

NAME = RELEASES["dev"].name
SPAWNER = "system:serviceaccount:{0}:spawner"
IMAGE = "docker.io/local/sdlc-agent:dev"
MAY = {
    "jobs.batch": {"create", "get", "list", "watch", "patch", "delete"},
    "pods": {"get", "list", "watch", "delete"},
    "pods/log": {"get"},
    "pods/portforward": {"create", "get"},
    "events": {"list", "watch"},
    "podtemplates": {"get", "list"},
    "resourcequotas": {"list"},
    "secrets": set(),
    "pods/exec": set(),
    "configmaps": set(),
    "roles.rbac.authorization.k8s.io": set(),
}
VERBS = ("create", "get", "list", "watch", "update", "patch", "delete")


def on_cluster(agents: Kubectl, *arguments: str, major: int | None = None) -> Completed:
    where = [f"--kubeconfig={agents.config}", f"--namespace={agents.namespace}"]
    return helm(*arguments, *where, major=major)


def upgrade(agents: Kubectl, *flags: str, major: int | None = None) -> str:
    chart = str(RELEASES["dev"])
    done = on_cluster(agents, "upgrade", "--install", NAME, chart, *flags, major=major)
    assert done.ok, done.error_text
    return done.text


def password(agents: Kubectl) -> str:
    found: str = agents.get("secret", f"{NAME}-server-password")["data"]["server-password"]
    return found


@pytest.fixture(scope="module")
def installed(agents: Kubectl) -> Iterator[Kubectl]:
    """The development release, with a ServiceAccount that may spawn."""
    account = '[{"name":"spawner"}]'
    agents.run("create", "serviceaccount", "spawner")
    upgrade(agents, f"--set-json=agentic-sdlc-agent-runner.spawner.serviceAccounts={account}")
    yield agents
    on_cluster(agents, "uninstall", NAME)


@pytest.mark.parametrize("major", MAJORS)
def test_installs_upgrades_and_leaves_nothing_behind(agents: Kubectl, major: int) -> None:
    name = f"helm{major}"
    flags = [str(CHART), "--set=secrets.git.existingSecret=mine,fullnameOverride=" + name]
    flags += ["--set=uninstallGuard.enabled=false"]  # no node can pull the image
    for round_ in ("Installing it now", "has been upgraded"):
        done = on_cluster(agents, "upgrade", "--install", name, *flags, major=major)
        assert round_ in done.text, done.error_text
        assert "MISSING: Secret mine" in done.text
    gone = on_cluster(agents, "uninstall", name, "--wait", major=major)
    assert gone.ok, gone.error_text
    kinds = "podtemplates,secrets,configmaps,serviceaccounts,roles,networkpolicies"
    left = agents.run("get", kinds, "--output=name")
    assert not [each for each in left.splitlines() if name in each]


def test_a_made_password_outlives_upgrades(installed: Kubectl) -> None:
    before = password(installed)
    upgrade(installed, "--reuse-values", "--set=agentic-sdlc-agent-runner.kueue.queueName=q")
    assert password(installed) == before
    template = installed.get("podtemplate", NAME)["template"]
    assert template["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "q"


def may(agents: Kubectl, verb: str, what: str, *flags: str) -> bool:
    who = f"--as={SPAWNER.format(agents.namespace)}"
    return agents.try_run("auth", "can-i", verb, what, who, *flags).text == "yes"


@pytest.mark.parametrize("resource", MAY)
def test_a_spawner_may_do_this_and_no_more(installed: Kubectl, resource: str) -> None:
    what, _, part = resource.partition("/")
    flags = [f"--subresource={part}"] if part else []
    allowed = {verb for verb in VERBS if may(installed, verb, what, *flags)}
    assert allowed == MAY[resource]


def test_a_spawner_reads_one_secret_and_its_own_namespace(installed: Kubectl) -> None:
    assert may(installed, "get", f"secret/{NAME}-server-password")
    assert not may(installed, "get", "secret/git-credentials")
    who = f"--as={SPAWNER.format(installed.namespace)}"
    assert installed.try_run("get", "namespace", installed.namespace, who).ok
    assert not installed.try_run("get", "namespace", "default", who).ok


def test_the_attempts_account_may_do_nothing(installed: Kubectl) -> None:
    def rights(account: str) -> str:
        who = f"--as=system:serviceaccount:{installed.namespace}:{account}"
        groups = ["--as-group=system:serviceaccounts", "--as-group=system:authenticated"]
        return installed.run("auth", "can-i", "--list", who, *groups)

    assert rights(NAME) == rights("one-that-nobody-made")


def test_helm_test_passes_where_all_is_well(installed: Kubectl) -> None:
    kit.need_images(installed, IMAGE)
    installed.run("create", "secret", "generic", "git-credentials", "--from-literal=token=t")
    installed.run("create", "secret", "generic", "model-keys", "--from-literal=A_KEY=k")
    done = on_cluster(installed, "test", NAME, "--logs", "--timeout=90s")
    assert done.ok, done.text + done.error_text
    assert "git credentials: token" in done.text
    assert "metadata: shut off" in done.text
    assert "FAILED" not in done.text


def test_helm_test_says_what_is_missing(agents: Kubectl) -> None:
    flags = [
        "--set=pod.image.repository=docker.io/local/agent-base,pod.image.tag=dev",
        "--set=pod.image.pullPolicy=Never,agent.resources.requests.memory=64Mi",
        "--set=fullnameOverride=lacking",
    ]
    kit.need_images(agents, "docker.io/local/agent-base:dev")  # it has no OpenCode
    made = on_cluster(agents, "install", "lacking", str(CHART), *flags)
    assert made.ok, made.error_text
    done = on_cluster(agents, "test", "lacking", "--logs", "--timeout=90s")
    on_cluster(agents, "uninstall", "lacking")
    assert not done.ok
    assert "FAILED  programs" in done.text
    assert "ok      user: 10001:10001" in done.text


@pytest.mark.parametrize("major", MAJORS)
def test_someone_without_rights_installs_nothing(agents: Kubectl, major: int) -> None:
    done = on_cluster(agents, "install", "theirs", str(CHART), "--kube-as-user=nobody", major=major)
    assert not done.ok
    assert "nobody" in done.error_text
    assert "forbidden" in done.error_text
    kinds = "podtemplates,secrets,configmaps,serviceaccounts,roles,networkpolicies"
    assert "theirs" not in agents.run("get", kinds, "--output=name")
