"""The network policy: nothing comes in, what goes out is named, and metadata never answers."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest

from support.chart.rendering import render, with_values

pytestmark = pytest.mark.helm

METADATA = ipaddress.ip_network("169.254.0.0/16")


def spec(git: object = None) -> dict[str, Any]:
    flags = [] if git is None else [f"--set-json=networkPolicy.git={json.dumps(git)}"]
    found: dict[str, Any] = render(*flags).one("NetworkPolicy")["spec"]
    return found


def block(cidr: str, *but: str) -> dict[str, Any]:
    policy = spec([{"cidr": cidr, "except": list(but), "ports": [22]}])
    found: dict[str, Any] = policy["egress"][1]["to"][0]["ipBlock"]
    return found


def test_it_holds_for_every_attempt_in_both_directions() -> None:
    assert spec()["podSelector"] == {
        "matchLabels": {"app.kubernetes.io/name": "agentic-sdlc-agent-runner"}
    }
    assert spec()["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in spec(), "an empty list is not stored, so that every sync would write it"


def test_helm_test_is_held_by_it_too() -> None:
    labels = with_values().one("Pod")["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "agentic-sdlc-agent-runner"


def test_by_default_no_private_address_can_be_reached() -> None:
    dns, git, model = spec()["egress"]
    assert [each["port"] for each in dns["ports"]] == [53, 53]
    assert "ipBlock" not in dns["to"][0]
    assert [each["port"] for each in git["ports"]] == [22, 443]
    assert [each["port"] for each in model["ports"]] == [443]
    for rule in (git, model):
        shut = [ipaddress.ip_network(each) for each in rule["to"][0]["ipBlock"]["except"]]
        for address in ("10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"):
            assert any(ipaddress.ip_address(address) in network for network in shut)


@pytest.mark.parametrize(
    "cidr",
    ["0.0.0.0/0", "128.0.0.0/1", "160.0.0.0/4", "168.0.0.0/7", "169.0.0.0/8", "169.128.0.0/9",
     "169.252.0.0/14", "169.254.0.0/15", "0.0.0.0/1", "192.0.0.0/2", "168.0.0.0/8", "10.0.0.0/8",
     "169.240.0.0/13", "8.8.8.8/32", "169.253.0.0/16"],
)  # fmt: skip
def test_metadata_is_taken_out_of_whatever_holds_it(cidr: str) -> None:
    holds = METADATA.subnet_of(ipaddress.ip_network(cidr))  # type: ignore[arg-type]
    assert block(cidr).get("except", []) == (["169.254.0.0/16"] if holds else [])


def test_it_is_taken_out_of_ipv6_too() -> None:
    assert block("::/0")["except"] == ["fd00:ec2::254/128", "fe80::/10"]


def test_ones_own_exceptions_stay() -> None:
    assert block("0.0.0.0/0", "10.0.0.0/8")["except"] == ["10.0.0.0/8", "169.254.0.0/16"]
    assert block("10.0.0.0/8", "10.9.0.0/16")["except"] == ["10.9.0.0/16"]


def test_pods_can_be_named_by_selectors() -> None:
    labels = {"matchLabels": {"app": "vllm"}}
    policy = spec([{"podSelector": labels, "ports": [8000]}])
    assert policy["egress"][1] == {
        "to": [{"podSelector": labels}],
        "ports": [{"port": 8000, "protocol": "TCP"}],
    }


def test_dns_can_be_an_address() -> None:
    rendered = render('--set-json=networkPolicy.dns=[{"cidr":"169.254.20.10/32"}]')
    dns = rendered.one("NetworkPolicy")["spec"]["egress"][0]
    assert dns["to"] == [{"ipBlock": {"cidr": "169.254.20.10/32"}}]
    assert {each["protocol"] for each in dns["ports"]} == {"UDP", "TCP"}
