"""Which cluster a kubeconfig says, and what a broken one says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.backends.kubernetes.kubeconfig import ClusterConfig, open_api
from sdlc_runner.errors import UnreachableError, UsageError
from support.kubernetes.api_wire import jobs, listing
from support.kubernetes.fake_api_server import FakeApi, kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

fake = pytest.fixture(listing)


def test_a_context_is_chosen_by_name_and_brings_its_namespace(
    fake: FakeApi, tmp_path: Path
) -> None:
    config = json.loads(kubeconfig(tmp_path / "one", "http://127.0.0.1:1").read_text())
    config["clusters"].append({"name": "other", "cluster": {"server": fake.url}})
    config["contexts"].append(
        {"name": "two", "context": {"cluster": "other", "user": "u", "namespace": "elsewhere"}}
    )
    path = tmp_path / "two"
    path.write_text(json.dumps(config))
    assert jobs(ClusterConfig(str(path), "two")) == ["a"]
    assert jobs(ClusterConfig(str(path), "two", "mine")) == ["a"]
    asked = [request.path.split("/")[5] for request in fake.requests]
    assert asked == ["elsewhere", "mine"]


def test_several_kubeconfigs_are_one(fake: FakeApi, tmp_path: Path) -> None:
    config = kubeconfig(tmp_path / "one", fake.url)
    assert jobs(ClusterConfig(f"{tmp_path / 'none'}:{config}")) == ["a"]


def test_an_unknown_context_is_reported(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    with pytest.raises(UsageError, match="No cluster is configured"):
        open_api(ClusterConfig(str(path), "nowhere"), 1)


@pytest.mark.parametrize("content", ["", "[]", "{", "a: b", "\0", "apiVersion: v1\nkind: Config\n"])
def test_a_broken_kubeconfig_is_reported_and_never_a_traceback(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises((UsageError, UnreachableError)):
        open_api(ClusterConfig(str(path)), 1)
