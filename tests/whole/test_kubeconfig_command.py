"""The whole command before a cluster that refuses, or says nothing."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from support.harness import until
from support.kubernetes.api_wire import listing
from support.kubernetes.fake_api_server import FakeApi, kubeconfig

if TYPE_CHECKING:
    from support.harness import Harness

fake = pytest.fixture(listing)


@pytest.fixture
def cluster_of(harness: Harness) -> Harness:
    """A checkout whose attempts are said to run in a cluster."""
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    harness.env["SDLC_RUNNER_BACKEND"] = "kubernetes"
    return harness


def test_a_lasting_refusal_is_one_clear_error(fake: FakeApi, cluster_of: Harness) -> None:
    fake.on("list", lambda _request, reply: reply.refuse(403, "jobs.batch is forbidden"))
    cluster_of.env["KUBECONFIG"] = str(kubeconfig(cluster_of.folder / "config", fake.url))
    result = cluster_of.run("follow", "T001")
    assert result.code == 3
    assert result.error["code"] == "cluster_forbidden"
    assert "jobs.batch is forbidden" in result.error["message"]


def test_ctrl_c_detaches_at_once_though_the_cluster_does_not_answer(
    fake: FakeApi, cluster_of: Harness
) -> None:
    fake.on("list", lambda _request, reply: reply.hang())
    cluster_of.env["KUBECONFIG"] = str(kubeconfig(cluster_of.folder / "config", fake.url))
    child = cluster_of.start("follow", "T001")
    until(lambda: bool(fake.requests))
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=20)
    assert time.monotonic() - began < 1.5
    assert child.returncode == 130
    assert "Traceback" not in stderr
