"""What a pod's runner says of a git host or a model that takes no connection."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from sdlc_runner.config.settings import AgentSettings
from support import unreachable_ports
from support.agent_fixtures import python
from support.harness import Harness, until
from support.kubernetes import pod_scenes
from support.kubernetes.pod_scenes import works
from support.opencode.fake_agent_server import FakeServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.kubernetes import local_pod
    from support.kubernetes.pod_scenes import MakePod

WRITE = "open('T001.txt', 'w').write('done')"


@pytest.fixture
def make(harness: Harness, tmp_path: Path) -> Iterator[MakePod]:
    """Return what makes a pod for a task of the rig's feature."""
    with pod_scenes.pods_of(harness, tmp_path) as one:
        yield one


def settings(url: object) -> dict[str, Any]:
    return {"provider": {"own": {"options": {"baseURL": url}}}}


def rejected(pod: local_pod.Pod, harness: Harness) -> dict[str, Any]:
    """Check that nothing was begun; return what the claim says of the task."""
    assert (pod.claim["status"], pod.claim["code"]) == ("rejected", "unreachable_host")
    assert not [ref for ref in harness.remote_refs() if "sdlc-runner" in ref]
    (task,) = pod.claim["tasks"]
    assert isinstance(task, dict)
    return task


@pytest.mark.parametrize("role", ["runner", "single"])
def test_a_git_host_that_drops_what_comes(harness: Harness, make: MakePod, role: str) -> None:
    with unreachable_ports.silent() as port:
        pod = make(remote=f"http://user:pass@127.0.0.1:{port}/x.git", connect_seconds=1)
        began = time.monotonic()
        assert pod.run(role) == 1
        assert time.monotonic() - began < 5
    place = f"127.0.0.1:{port}"
    assert pod.claim["message"] == f"The git host {place} did not connect in 1 s: no answer."
    assert "networkPolicy.git" in rejected(pod, harness)["hint"]


def test_waiting_for_a_git_host_can_be_broken_off(make: MakePod) -> None:
    with unreachable_ports.silent() as port:
        pod = make(remote=f"http://127.0.0.1:{port}/x.git")
        child = pod.start("runner")
        until(lambda: bool(pod.events()))
        child.terminate()
        assert child.wait(10) == 143
    assert pod.claim["status"] == "interrupted"


def test_a_served_agents_model_that_drops_what_comes(harness: Harness, make: MakePod) -> None:
    pod = make(agent=AgentSettings(model="own/m"), connect_seconds=1)
    with unreachable_ports.silent() as port, FakeServer([works(pod)]) as fake:
        fake.answers["GET /config"] = (200, settings(f"http://127.0.0.1:{port}/v1"))
        pod.port = fake.port
        assert pod.run("runner") == 1
    assert f"The model endpoint 127.0.0.1:{port} did not connect in 1 s" in pod.claim["message"]
    assert "networkPolicy.model" in rejected(pod, harness)["hint"]


def test_a_direct_agents_model_that_drops_what_comes(harness: Harness, make: MakePod) -> None:
    pod = make(agent=AgentSettings(model="own/m"), connect_seconds=1)
    with unreachable_ports.silent() as port:
        content = json.dumps(settings(f"http://127.0.0.1:{port}/v1"))
        assert pod.run("single", OPENCODE_CONFIG_CONTENT=content) == 1
    assert f"The model endpoint 127.0.0.1:{port} did not connect in 1 s" in pod.claim["message"]
    assert "networkPolicy.model" in rejected(pod, harness)["hint"]


def test_a_program_of_the_users_own_has_no_model_to_try(harness: Harness, make: MakePod) -> None:
    pod = make(agent=AgentSettings(model="own/m", command=python(WRITE)), connect_seconds=1)
    with unreachable_ports.silent() as port:
        content = json.dumps(settings(f"http://127.0.0.1:{port}/v1"))
        assert pod.run("single", OPENCODE_CONFIG_CONTENT=content) == 0
    assert harness.remote_file("T001.txt", pod.claim["branch"]) == "done"


@pytest.mark.parametrize(
    "answer",
    [
        (500, None),
        (200, None),
        (200, []),
        (200, {"provider": [], "model": 7}),
        (200, settings("http://{env:HOST}:99999/\x1b[0m")),
        (200, settings(["http://127.0.0.1:1"])),
        (200, settings("javascript://x")),
    ],
)
def test_odd_settings_of_a_server_stop_nothing(make: MakePod, answer: tuple[int, object]) -> None:
    pod = make(agent=AgentSettings(model="own/m"), connect_seconds=1)
    with FakeServer([works(pod)]) as fake:
        fake.answers["GET /config"] = answer
        pod.port = fake.port
        assert (pod.run("runner"), pod.errors()) == (0, "")


def test_without_seconds_nothing_is_tried(make: MakePod) -> None:
    pod = make(agent=AgentSettings(model="own/m"), connect_seconds=0)
    with unreachable_ports.silent() as port, FakeServer([works(pod)]) as fake:
        fake.answers["GET /config"] = (200, settings(f"http://127.0.0.1:{port}/v1"))
        pod.port = fake.port
        assert pod.run("runner") == 0
    assert "GET /config" not in fake.calls
