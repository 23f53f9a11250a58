"""A cluster, the services that tests need in it, and a namespace for each test."""

from __future__ import annotations

import contextlib
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.cluster import harness as cluster_rigs
from support.cluster import kit, locks, namespaces
from support.cluster import services as test_services
from support.cluster.pod_template import Form

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from support.cluster.harness import ClusterHarness
    from support.cluster.kit import Faults
    from support.cluster.kubectl import Kubectl
    from support.cluster.namespaces import Namespace
    from support.cluster.repositories import Repository
    from support.cluster.scripted_model import ScriptedModel
    from support.cluster.services import Services

IMAGES = Path(__file__).with_name("images")
STORY = pytest.StashKey["Namespace"]()


@pytest.fixture(scope="session")
def services(cluster: Kubectl, shared: Path) -> Iterator[Services]:
    """The git server and the scripted model."""
    running = contextlib.ExitStack()
    with locks.undisturbed(shared):
        with locks.held(shared / "images"):
            done = subprocess.run([IMAGES], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found = running.enter_context(test_services.running(cluster, kit.find(), shared))
    yield found
    with locks.undisturbed(shared):
        running.close()


@pytest.fixture(autouse=True)
def _alone_with_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run tests that make faults while no other test uses the cluster."""
    shared: Path = request.getfixturevalue("shared")
    wants_faults = "fault" in request.fixturenames
    with locks.alone(shared) if wants_faults else locks.undisturbed(shared):
        yield


@pytest.fixture
def fault(_alone_with_faults: None) -> Iterator[Faults]:
    """What makes faults (``fault("kill9", "apiserver")``); undone at the end."""
    found = kit.find()
    if found is None:
        pytest.skip(f"this cluster has no faults to order: {kit.VARIABLE} is not set")
    faults = kit.Faults(found)
    yield faults
    faults.undo()


@pytest.fixture
def git_repository(services: Services, tmp_path: Path) -> Repository:
    """A new repository on the cluster's git server."""
    return services.repository(tmp_path / "repository")


@pytest.fixture
def model(services: Services) -> ScriptedModel:
    """A scripted model of the test's own."""
    return services.model(f"m{uuid.uuid4().hex[:12]}")


@pytest.fixture
def namespace(
    cluster: Kubectl,
    git_repository: Repository,
    model: ScriptedModel,
    request: pytest.FixtureRequest,
) -> Iterator[Namespace]:
    """A new namespace with the credentials of the test's repository and model."""
    name = f"sdlc-test-{uuid.uuid4().hex[:8]}"
    found = namespaces.create(cluster, name, git_repository, model)
    request.node.stash[STORY] = found
    yield found
    namespaces.delete(cluster, name)


@pytest.fixture
def harness(
    tmp_path: Path, git_repository: Repository, namespace: Namespace, model: ScriptedModel
) -> ClusterHarness:
    """A checkout whose attempts run in the namespace, in one container, by a script."""
    folder = tmp_path / "rig"
    folder.mkdir()
    made = cluster_rigs.create(folder, git_repository, namespace, model)
    made.template(Form.ONE)
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell of a failed test what its namespace held."""
    report = yield
    found = item.stash.get(STORY, None)
    if found and report.failed and report.when == "call":
        report.sections.append((f"namespace {found.name}", found.story()))
    return report
