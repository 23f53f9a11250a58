"""The network policy on a real cluster: what is named answers, nothing else does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.chart.rendering import Rendered, render
from support.cluster import kit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cluster.kubectl import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

IMAGE = "docker.io/local/agent-base:dev"
NAMED, OTHER = 8001, 8002
SERVE = f"python3 -m http.server {NAMED} & exec python3 -m http.server {OTHER}"
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
except OSError as error:
    print(error)
    sys.exit(1)
"""


def pod(name: str, rendered: Rendered, labels: dict[str, str]) -> dict[str, Any]:
    """A pod with the template's security, that serves two ports."""
    container = rendered.pod["spec"]["containers"][0]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": IMAGE,
                    "imagePullPolicy": "Never",
                    "command": ["sh", "-c", SERVE],
                    "workingDir": "/etc",
                    "securityContext": container["securityContext"],
                }
            ],
            "securityContext": rendered.pod["spec"]["securityContext"],
            "terminationGracePeriodSeconds": 0,
        },
    }


def create(agents: Kubectl, *documents: dict[str, Any]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": documents}
    agents.run("create", "--filename=-", stdin=json.dumps(listed).encode())


def reaches(agents: Kubectl, start: str, end: str, port: int) -> bool:
    return connects(agents, start, agents.get("pod", end)["status"]["podIP"], port)


def connects(agents: Kubectl, start: str, address: str, port: int) -> bool:
    probe = ["python3", "-c", CONNECT, address, str(port)]
    return agents.try_run("exec", start, "--", *probe).ok


def test_an_attempt_reaches_what_is_named_and_no_one_reaches_it(agents: Kubectl) -> None:
    kit.need_images(agents, IMAGE)
    peer = json.dumps([{"podSelector": {"matchLabels": {"app": "model"}}, "ports": [NAMED]}])
    rendered = render(f"--set-json=networkPolicy.model={peer}")
    policy = rendered.one("NetworkPolicy")
    policy["metadata"]["namespace"] = agents.namespace
    attempt = pod("attempt", rendered, rendered.pod["metadata"]["labels"])
    create(
        agents,
        policy,
        attempt,
        pod("model", rendered, {"app": "model"}),
        pod("other", rendered, {}),
    )
    agents.run("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
    ways = {
        "named port": reaches(agents, "attempt", "model", NAMED),
        "other port": reaches(agents, "attempt", "model", OTHER),
        "other pod": reaches(agents, "attempt", "other", NAMED),
        "from outside": reaches(agents, "model", "attempt", NAMED),
        "among others": reaches(agents, "model", "other", OTHER),
    }
    assert {way for way, open_ in ways.items() if open_} == {"named port", "among others"}


METADATA, INTERNET, HTTPS = "169.254.169.254", "203.0.113.7", 443
ANSWER = """
import socket, sys
listening = [socket.create_server((address, int(sys.argv[1]))) for address in sys.argv[2:]]
sys.stdin.read()
"""
RESOLVE = "import socket; socket.getaddrinfo('kubernetes.default.svc', None)"


@pytest.fixture
def two_addresses() -> Iterator[None]:
    """That of cloud credentials and one of the internet's, both with somebody who answers."""
    program = kit.find()
    if program is None:
        pytest.skip("only the test cluster's network can be given these addresses")
    for address in (METADATA, INTERNET):
        program.run("ns", "ip", "address", "replace", f"{address}/32", "dev", "lo")
    server = program.start_in_network(
        ["python3", "-c", ANSWER, str(HTTPS), METADATA, INTERNET], descriptors=()
    )
    yield
    server.communicate()
    for address in (METADATA, INTERNET):
        program.run("ns", "ip", "address", "delete", f"{address}/32", "dev", "lo")


@pytest.mark.usefixtures("two_addresses")
def test_as_it_stands_the_internet_is_open_and_credentials_and_the_cluster_are_not(
    agents: Kubectl,
) -> None:
    rendered = render("--set=fullnameOverride=as-it-stands")
    policy = rendered.one("NetworkPolicy")
    policy["metadata"]["namespace"] = agents.namespace
    attempt = pod("inside", rendered, rendered.pod["metadata"]["labels"])
    create(agents, policy, attempt, pod("outside", rendered, {}))
    agents.run("wait", "--for=condition=Ready", "pod/inside", "pod/outside", "--timeout=60s")

    def answers(start: str) -> set[str]:
        places = (METADATA, INTERNET, "kubernetes.default.svc")
        return {place for place in places if connects(agents, start, place, HTTPS)}

    assert answers("outside") == {METADATA, INTERNET, "kubernetes.default.svc"}
    assert answers("inside") == {INTERNET}
    assert agents.try_run("exec", "inside", "--", "python3", "-c", RESOLVE).ok, "names resolve"
