"""Versions in the report's head, and how hypothesis works here and in CI."""

from __future__ import annotations

import os
import platform
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from sdlc_runner import process
from support.cluster import kit, locks

if TYPE_CHECKING:
    from pathlib import Path

    from support.cluster.kubectl import Kubectl

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# A shell that starts us in the background has us, and all that we start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

_CLUSTER_SECONDS = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Time what tests do on a cluster, not how long they wait until it is theirs."""
    for item in items:
        if item.get_closest_marker("cluster"):
            own = item.get_closest_marker("timeout")
            seconds = own.args[0] if own else _CLUSTER_SECONDS
            item.add_marker(pytest.mark.timeout(seconds, func_only=True), append=False)


@pytest.fixture(scope="session")
def cluster() -> Kubectl:
    """The cluster that KUBECONFIG names; without one, tests are skipped, and fail in its CI."""
    return kit.need_cluster()


@pytest.fixture(scope="session")
def shared(cluster: Kubectl) -> Path:
    """The folder that all test processes of this machine share for this cluster."""
    return locks.folder(cluster.server())


def pytest_report_header() -> str:
    """Name the versions that decide how things behave."""
    opencode = os.environ.get("SDLC_RUNNER_TEST_OPENCODE")
    return ", ".join(
        [
            f"Python {platform.python_version()}",
            process.run(["git", "--version"]).text,
            f"OpenCode {process.run([opencode, '--version']).text}" if opencode else "no OpenCode",
        ]
    )
