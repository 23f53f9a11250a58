"""Signing in to a cluster: exec plugins and tokens."""

from __future__ import annotations

import sys
import textwrap
import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.backends.kubernetes.kubeconfig import ClusterConfig, open_api
from sdlc_runner.errors import UnreachableError, UsageError
from support.kubernetes.api_wire import jobs, listing
from support.kubernetes.fake_api_server import FakeApi, kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

fake = pytest.fixture(listing)


def test_an_exec_plugins_token_is_renewed_when_it_ends_and_not_before(
    fake: FakeApi, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    plugin = tmp_path / "plugin"
    lasting, ended = (
        (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
        for seconds in (3600, 10)
    )
    plugin.write_text(
        textwrap.dedent(f"""\
        #!{sys.executable}
        import json, pathlib
        calls = pathlib.Path({str(calls)!r})
        count = len(calls.read_text()) + 1 if calls.exists() else 1
        calls.write_text("x" * count)
        ends = {ended!r} if count == 1 else {lasting!r}
        status = {{"token": f"token-{{count}}", "expirationTimestamp": ends}}
        version = "client.authentication.k8s.io/v1"
        print(json.dumps({{"apiVersion": version, "kind": "ExecCredential", "status": status}}))
        """)
    )
    plugin.chmod(0o700)
    made = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(plugin),
        "interactiveMode": "Never",
    }
    path = kubeconfig(tmp_path / "config", fake.url, {"exec": made})
    api = open_api(ClusterConfig(str(path)), 100)
    threads = [threading.Thread(target=lambda: api.get(api.path("jobs"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tokens = {request.headers["authorization"] for request in fake.requests}
    assert tokens == {"Bearer token-2"}
    assert len(fake.requests) == 8
    assert calls.read_text() == "xx"


def test_an_exec_plugin_that_fails_is_an_error_of_ours(fake: FakeApi, tmp_path: Path) -> None:
    fake.on("list", lambda _request, reply: reply.refuse(401, "Unauthorized"))
    made = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false"}
    path = kubeconfig(tmp_path / "config", fake.url, {"exec": made})
    with pytest.raises((ApiError, UsageError, UnreachableError)):
        jobs(ClusterConfig(str(path)))


@pytest.mark.parametrize("given", ["token", "tokenFile"])
def test_a_token_goes_with_every_request(fake: FakeApi, tmp_path: Path, given: str) -> None:
    (tmp_path / "token").write_text("secret-token\n")
    user = {given: str(tmp_path / "token") if given == "tokenFile" else "secret-token"}
    jobs(ClusterConfig(str(kubeconfig(tmp_path / "config", fake.url, user))))
    assert fake.requests[0].headers["authorization"].strip() == "Bearer secret-token"
    assert "secret-token" not in fake.requests[0].path
