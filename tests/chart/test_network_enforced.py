"""The network policy on a real cluster: what is named answers, nothing else does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chart.rendering import Rendered, render

if TYPE_CHECKING:
    from cluster.kubectl import Kubectl

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
    address = agents.get("pod", end)["status"]["podIP"]
    probe = ["python3", "-c", CONNECT, address, str(port)]
    return agents.try_run("exec", start, "--", *probe).ok


def test_an_attempt_reaches_what_is_named_and_nobody_reaches_it(agents: Kubectl) -> None:
    if IMAGE not in json.dumps(agents.get("nodes")):
        pytest.skip(f"no node has {IMAGE}")
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
