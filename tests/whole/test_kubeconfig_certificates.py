"""Certificates: the server's, which a private authority signed, and a client's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.backends.kubernetes.kubeconfig import ClusterConfig, open_api
from support.kubernetes.api_wire import Authority, founded, jobs
from support.kubernetes.fake_api_server import kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

authority = pytest.fixture(scope="module")(founded)


def test_a_private_authority_is_trusted_and_no_other(authority: Authority, tmp_path: Path) -> None:
    server = authority.server()
    trusted = {"certificate-authority": authority.path("ca.crt")}
    config = ClusterConfig(str(kubeconfig(tmp_path / "good", server.url, cluster=trusted)))
    assert jobs(config) == ["a"]
    stranger = Authority(tmp_path / "stranger")
    wrong = {"certificate-authority": stranger.path("ca.crt")}
    api = open_api(ClusterConfig(str(kubeconfig(tmp_path / "bad", server.url, cluster=wrong))), 100)
    with pytest.raises(ApiError, match="certificate verify failed"):
        api.stream(api.path("jobs"), {}, 5)
    assert len(server.requests) == 1
    server.close()


def test_a_client_certificate_is_shown(authority: Authority, tmp_path: Path) -> None:
    server = authority.server(wants_clients=True)
    authority.sign("client")
    trusted = {"certificate-authority": authority.path("ca.crt")}
    user = {
        "client-certificate": authority.path("client.crt"),
        "client-key": authority.path("client.key"),
    }
    assert jobs(
        ClusterConfig(str(kubeconfig(tmp_path / "config", server.url, user, cluster=trusted)))
    ) == ["a"]
    nobody = open_api(
        ClusterConfig(str(kubeconfig(tmp_path / "nobody", server.url, cluster=trusted))), 100
    )
    with pytest.raises(ApiError):
        nobody.stream(nobody.path("jobs"), {}, 5)
    server.close()
