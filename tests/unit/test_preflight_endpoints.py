"""Which host and port an address means, and the proxy on the way there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlc_runner.worker import preflight
from sdlc_runner.worker.preflight import Host, Way

BY_PROXY = {"HTTPS_PROXY": "http://user:secret@proxy.example:3128"}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://git.example/team/app.git", "git.example:443"),
        ("https://user:p%40ss@git.example:8443/app.git", "git.example:8443"),
        ("http://git.example", "git.example:80"),
        ("HTTP://GIT.example:/x", "GIT.example:80"),
        ("git://git.example/app", "git.example:9418"),
        ("ssh://git@git.example/app.git", "git.example:22"),
        ("ssh://git@git.example:2222/app.git", "git.example:2222"),
        ("git+ssh://git.example/app", "git.example:22"),
        ("git@git.example:team/app.git", "git.example:22"),
        ("git.example:app", "git.example:22"),
        ("https://[fd00::1]/app", "[fd00::1]:443"),
        ("ssh://git@[fd00::1]:2222/app", "[fd00::1]:2222"),
        ("git@[fd00::1]:app", "[fd00::1]:22"),
        ("https://10.0.0.7:8080?x=1", "10.0.0.7:8080"),
    ],
)
def test_the_host_of_an_address(address: str, shown: str) -> None:
    found = preflight.way(address, {})
    assert found is not None
    assert str(found.first) == shown


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/srv/git/app.git",
        "./app:1",
        "C:\\git\\app",
        "C:/git/app",
        "file:///srv/git/app.git",
        "https://",
        "https:///app",
        "https://${REGION}.example/v1",
        "https://{env:HOST}/v1",
        "https://git.example:99999/x",
        "https://git.example:0/x",
        "https://git.example:port/x",
        "https://a b/x",
        "https://a\x00b/x",
        "https://-" + "a" * 300 + "/x",
        "ftp-like://host/x",
    ],
)
def test_what_is_no_plain_host_and_port_is_not_tried(address: str) -> None:
    assert preflight.way(address, {}) is None


@pytest.mark.parametrize(
    ("address", "environ", "by"),
    [
        ("https://git.example/x", BY_PROXY, "proxy.example:3128"),
        ("https://git.example/x", {"https_proxy": "proxy.example:80"}, "proxy.example:80"),
        ("https://git.example/x", {"all_proxy": "http://proxy.example:80"}, "proxy.example:80"),
        ("https://git.example/x", {"HTTP_PROXY": "http://proxy.example:80"}, None),
        ("http://git.example/x", {"http_proxy": "http://proxy.example:80"}, "proxy.example:80"),
        ("git@git.example:x", {**BY_PROXY, "ALL_PROXY": "http://proxy.example:80"}, None),
        ("git://git.example/x", {"ALL_PROXY": "http://proxy.example:80"}, None),
    ],
)
def test_http_goes_by_the_proxy_of_its_scheme(
    address: str, environ: dict[str, str], by: str | None
) -> None:
    found = preflight.way(address, environ)
    assert found is not None
    assert (str(found.proxy) if found.proxy else None) == by


@pytest.mark.parametrize(
    ("exempt", "is_direct"),
    [
        ("git.example", True),
        ("localhost, .example", True),
        ("*.example", True),
        ("*", True),
        ("GIT.EXAMPLE", True),
        ("it.example", False),
        ("git.example.org", False),
        ("10.0.0.0/8", False),
        (",. ,", False),
    ],
)
def test_no_proxy_names_who_is_reached_directly(exempt: str, *, is_direct: bool) -> None:
    found = preflight.way("https://git.example/x", {**BY_PROXY, "no_proxy": exempt})
    assert found is not None
    assert (found.proxy is None) is is_direct


def test_no_proxy_may_be_a_network() -> None:
    environ = {**BY_PROXY, "NO_PROXY": "10.0.0.0/8,fd00::/8"}
    assert preflight.way("https://10.1.2.3/x", environ) == Way(Host("10.1.2.3", 443))
    assert preflight.way("https://[fd00::7]/x", environ) == Way(Host("fd00::7", 443))
    outside = preflight.way("https://11.1.2.3/x", environ)
    assert outside is not None
    assert outside.proxy == Host("proxy.example", 3128)


@pytest.mark.parametrize("proxy", ["http://{nonsense", "http://proxy.example", "proxy"])
def test_a_proxy_that_is_no_plain_host_and_port_is_not_judged(proxy: str) -> None:
    assert preflight.way("https://git.example/x", {"https_proxy": proxy}) is None


@given(st.text(max_size=80), st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_read(address: str, proxy: str, exempt: str) -> None:
    found = preflight.way(address, {"https_proxy": proxy, "http_proxy": proxy, "no_proxy": exempt})
    assert found is None or 0 < found.first.port < 65536
