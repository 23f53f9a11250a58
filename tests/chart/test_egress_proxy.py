"""The proxy on the way out: who is told of it, what goes past it, and what is refused."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from sdlc_runner import process
from sdlc_runner.worker import preflight
from sdlc_runner.worker.preflight import Host, Way
from support.chart.rendering import CHART, Rendered, refusal, render

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.helm

URL = "http://proxy.example.com:3128"
PEER = '--set-json=networkPolicy.proxy=[{"cidr":"10.1.2.3/32","ports":[3128]}]'
PROXY = (f"--set=egressProxy.url={URL}", PEER)
BOTH_CASES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")


def environments(rendered: Rendered) -> dict[str, dict[str, str]]:
    containers = {**rendered.containers(), "test": rendered.one("Pod")["spec"]["containers"][0]}
    return {
        name: {each["name"]: each.get("value", "") for each in container["env"]}
        for name, container in containers.items()
    }


@pytest.mark.parametrize("form", ["sidecar", "single"])
def test_every_container_is_reported_in_both_letter_cases(form: str) -> None:
    rendered = render(
        *PROXY, f"--set=agent.form={form}", "--set=egressProxy.noProxy={.svc,10.0.0.7}"
    )
    for environment in environments(rendered).values():
        assert {environment[name] for name in BOTH_CASES} == {URL}
        direct = "127.0.0.1,localhost,::1,.svc,10.0.0.7"
        assert environment["NO_PROXY"] == environment["no_proxy"] == direct


def test_without_one_no_one_is_reported() -> None:
    for environment in environments(render()).values():
        assert not [name for name in environment if "PROXY" in name.upper()]


def test_the_runner_tries_the_proxy_and_not_who_is_behind_it() -> None:
    environment = environments(render(*PROXY, "--set=egressProxy.noProxy={.svc}"))["runner"]
    git = Host("git.example.com", 443)
    way = preflight.way("https://git.example.com/app.git", environment)
    assert way == Way(git, Host("proxy.example.com", 3128))
    for near in ("http://127.0.0.1:4096", "http://localhost:1", "http://[::1]:1", "http://a.svc"):
        found = preflight.way(near, environment)
        assert found is not None
        assert found.proxy is None


def test_the_policy_lets_pods_reach_it() -> None:
    rendered = render(*PROXY, "--set=networkPolicy.git=null,networkPolicy.model=null")
    _, proxy = rendered.one("NetworkPolicy")["spec"]["egress"]
    assert proxy == {
        "to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}],
        "ports": [{"port": 3128, "protocol": "TCP"}],
    }


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--set=egressProxy.url=http://me:secret@proxy:3128", PEER], "a user or a password in it"),
        (["--set=egressProxy.url=http://me@proxy:3128", PEER], "a user or a password in it"),
        ([f"--set=egressProxy.url={URL}"], "networkPolicy.proxy is empty"),
        ([PEER], "egressProxy.url is empty"),
        (["--set=egressProxy.noProxy={.svc}"], "egressProxy.url is empty"),
        (
            [*PROXY, '--set-json=agent.extraEnv=[{"name":"https_proxy","value":"x"}]'],
            "agent.extraEnv sets https_proxy, which egressProxy sets",
        ),
        (
            [
                PROXY[0],
                '--set-json=networkPolicy.proxy=[{"cidr":"169.254.1.1/32","ports":[80]}]',
            ],
            "clouds answer there with credentials",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_a_way_out(flags: list[str], said: str) -> None:
    found = refusal(*flags)
    assert said in found
    assert "secret@" not in found


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("egressProxy.url=socks5://proxy:1080", "url"),
        ("egressProxy.url=proxy:3128", "url"),
        ("egressProxy.url=http://proxy/path", "url"),
        ("egressProxy.url=http://", "url"),
        ("egressProxy.noProxy={a b}", "noProxy"),
        ("egressProxy.host=proxy", "host"),
    ],
)
def test_the_schema_knows_what_a_proxy_is(setting: str, key: str) -> None:
    found = refusal(f"--set={setting}")
    assert key in found
    assert "schema" in found


def test_without_a_policy_no_peer_is_needed() -> None:
    assert render(PROXY[0], "--set=networkPolicy.enabled=false").one("PodTemplate")


class Tunnels(BaseHTTPRequestHandler):
    """Lets through to names that begin with "git"."""

    def do_CONNECT(self) -> None:
        self.send_response(200 if self.path.startswith("git") else 403)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Tunnels) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_helm_test_asks_the_proxy_for_what_is_behind_it(proxy: str) -> None:
    places = ["git.invalid:443", "other.invalid:443", f"127.0.0.1:{proxy.rpartition(':')[2]}"]
    env = {"PATH": "", "HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1"}
    script = str(CHART / "files" / "check.py")
    lines = process.run([sys.executable, "-I", script, "open", *places], env=env).text.splitlines()
    assert f"ok      {places[0]}: answers, by the proxy" in lines
    assert any(line.startswith(f"FAILED  {places[1]}: ") for line in lines)
    assert f"ok      {places[2]}: answers" in lines
