"""A network policy drops what it does not name: the attempt says so, and which value to set."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from support.chart.rendering import render
from support.cluster.pod_template import Form
from support.cluster.service_pods import GIT, MODEL
from support.model.server import Rule, says, writes

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness
    from support.harness import Event, Result

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SECONDS = 30
"""What ``limits.connect_seconds`` is by default."""


def allow(harness: ClusterHarness, *services: str) -> None:
    """Shut attempts off by the chart's own policy; only these of the services are named."""
    flags = ["--show-only=templates/networkpolicy.yaml"]
    for value, service in (("git", GIT), ("model", MODEL)):
        named = _peer(harness, service) if service in services else []
        flags.append(f"--set-json=networkPolicy.{value}={json.dumps(named)}")
    policy = render(*flags).one("NetworkPolicy")
    policy["metadata"]["namespace"] = harness.namespace.name
    harness.namespace.kubectl.apply(policy)


def _peer(harness: ClusterHarness, service: str) -> list[dict[str, Any]]:
    address = {GIT: harness.repository.pod_url_http, MODEL: harness.model.url}[service]
    parts = urlsplit(address)
    assert parts.hostname is not None
    space = parts.hostname.split(".")[1]
    return [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}},
            "podSelector": {"matchLabels": {"app": service}},
            "ports": [parts.port],
        }
    ]


def place(address: str) -> str:
    return urlsplit(address).netloc


def running_to_end(harness: ClusterHarness) -> float:
    """Return how many seconds the runner of the one pod ran."""
    (pod,) = harness.namespace.pods()
    (status,) = pod["status"]["containerStatuses"]
    ended = status["state"]["terminated"]
    times = [datetime.fromisoformat(ended[name]) for name in ("startedAt", "finishedAt")]
    return (times[1] - times[0]).total_seconds()


def refused(result: Result, harness: ClusterHarness, who: str, value: str) -> Event:
    """Check that nothing was begun, and who was not reached; return the outcome."""
    assert result.code == 1
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("rejected", "unreachable_host"), outcome
    assert f"{who} did not connect in {SECONDS} s: no answer." in outcome["message"]
    assert value in outcome["hint"]
    assert "sdlc-runner retry T001" in outcome["hint"]
    assert not [ref for ref in harness.remote_refs() if "sdlc-runner" in ref]
    return outcome


@pytest.mark.timeout(150)
@pytest.mark.parametrize("form", Form)
def test_a_git_host_that_is_not_named_is_reported_and_goes_on_once_it_is(
    harness: ClusterHarness, form: Form
) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    harness.template(form)
    harness.use_opencode()
    harness.model.rules(Rule("Implement task T001 ", (writes("T001.txt", "done\n"), says("Done."))))
    allow(harness, MODEL)
    result = harness.run("run")
    refused(
        result,
        harness,
        f"The git host {place(harness.repository.pod_url_http)}",
        "networkPolicy.git",
    )
    assert SECONDS - 1 <= running_to_end(harness) <= SECONDS + 5
    assert not harness.model.requests()
    allow(harness, GIT, MODEL)
    again = harness.run("run")
    assert (again.code, again.outcome("T001")["attempt"]) == (0, 1)
    assert harness.remote_file("T001.txt") == "done"


@pytest.mark.timeout(150)
@pytest.mark.parametrize("form", Form)
def test_a_model_that_is_not_named_is_reported(harness: ClusterHarness, form: Form) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    harness.template(form)
    harness.use_opencode()
    allow(harness, GIT)
    result = harness.run("run")
    refused(
        result, harness, f"The model endpoint {place(harness.model.url)}", "networkPolicy.model"
    )
    assert SECONDS <= running_to_end(harness) <= SECONDS + 25  # OpenCode's start is in it
