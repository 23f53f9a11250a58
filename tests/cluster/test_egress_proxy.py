"""A release whose pods reach DNS and a proxy, and nothing else: git and model are behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.chart.rendering import NAME
from support.cluster import pod_security, releases
from support.cluster.pod_template import USER
from support.cluster.releases import Release
from support.cluster.service_pods import IMAGE
from support.model.server import Rule, calls, says, write

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Manifest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PORT = 3128
PROGRAM = Path(__file__).parents[1] / "support/cluster/pods/forward_proxy.py"
PROXY = {"app": "proxy"}
DIRECTLY = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
except OSError as error:
    sys.exit(str(error))
"""


def proxy() -> tuple[Manifest, Manifest]:
    """Its pod and its Service."""
    container = {
        "name": "proxy",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-u", "-c", PROGRAM.read_text(), str(PORT)],
        "securityContext": pod_security.CONTAINER,
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    }
    pod = {
        "containers": [container],
        "securityContext": pod_security.pod(USER),
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
    }
    metadata = {"name": "proxy", "labels": PROXY}
    ports = [{"port": PORT}]
    return (
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": PROXY, "ports": ports},
        },
    )


@pytest.fixture
def release(harness: ClusterHarness) -> Release:
    """The development release, with the proxy as the only way out."""
    kubectl = harness.namespace.kubectl
    kubectl.run("delete", "podtemplates", "--all")
    kubectl.create(*proxy())
    kubectl.run("wait", "--for=condition=Ready", "pod/proxy", "--timeout=60s")
    values = releases.values("dev", harness.repository, harness.model)
    values[NAME] |= {
        "secrets": {"server": {"existingSecret": "server-password"}},
        "egressProxy": {"url": f"http://proxy.{harness.namespace.name}.svc:{PORT}"},
        "networkPolicy": {
            "git": [],
            "model": [],
            "proxy": [{"podSelector": {"matchLabels": PROXY}, "ports": [PORT]}],
        },
    }
    file = harness.folder / "values.json"
    file.write_text(json.dumps(values))
    made = Release("dev", harness.namespace, file)
    made.upgrade()
    return made


def places(harness: ClusterHarness) -> dict[str, str]:
    urls = {"git": harness.repository.pod_url_http, "model": harness.model.url}
    return {who: url.split("/")[2] for who, url in urls.items()}


def test_a_task_is_done_by_way_of_the_proxy_alone(
    harness: ClusterHarness, release: Release
) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `hello.txt`\n")
    harness.use_opencode()
    harness.model.rules(Rule("T001", (calls(write("@folder@/hello.txt", "hello\n")), says("done"))))
    result = harness.run("run", "--detail", "full")
    assert result.code == 0, result.stdout
    assert harness.remote_file("hello.txt") == "hello"
    assert harness.ticked() == {"T001"}
    asked = set(release.namespace.kubectl.run("logs", "proxy").splitlines())
    who = places(harness)
    assert {f"GET {who['git']}", f"POST {who['git']}", f"POST {who['model']}"} <= asked
    assert not {line for line in asked if "127.0.0.1" in line or "localhost" in line}


def test_names_answer_by_the_proxy_and_by_no_other_way(
    harness: ClusterHarness, release: Release
) -> None:
    said = release.helm("test", release.name, "--logs", "--timeout=90s")
    for place in places(harness).values():
        assert f"ok      {place}: answers, by the proxy" in said
    assert "metadata: shut off" in said
    assert {f"CONNECT {place}" for place in places(harness).values()} <= set(
        release.namespace.kubectl.run("logs", "proxy").splitlines()
    )
    template = release.template()["template"]
    (runner,) = template["spec"]["containers"]
    attempt = {"name": "attempt", "labels": template["metadata"]["labels"]}
    container = {**proxy()[0]["spec"]["containers"][0], "env": runner["env"]}
    container |= {"command": ["sleep", "600"], "readinessProbe": None}
    pod = {**proxy()[0]["spec"], "containers": [container]}
    kubectl = release.namespace.kubectl
    kubectl.create({"apiVersion": "v1", "kind": "Pod", "metadata": attempt, "spec": pod})
    kubectl.run("wait", "--for=condition=Ready", "pod/attempt", "--timeout=60s")
    inside = ("exec", "attempt", "--", "python3", "-c")
    for place in places(harness).values():
        done = kubectl.try_run(*inside, DIRECTLY, *place.split(":"))
        assert not done.ok
        assert "timed out" in done.error_text
    url = harness.repository.pod_url_http.replace("://", f"://x:{harness.repository.token}@")
    refs = kubectl.run("exec", "attempt", "--", "git", "ls-remote", url)
    assert "refs/heads/" in refs
