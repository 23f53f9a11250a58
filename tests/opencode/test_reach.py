"""Where the real OpenCode would ask its model is what is tried, wherever it is set."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.config.settings import AgentSettings
from sdlc_runner.errors import UnreachableError
from sdlc_runner.worker.agents.opencode import OpenCodeAgent
from sdlc_runner.worker.agents.opencode_server.agent import OpenCodeServerAgent
from sdlc_runner.worker.agents.opencode_server.client import Server
from sdlc_runner.worker.masking import Masker
from sdlc_runner.worker.preflight import Preflight
from support import unreachable_ports
from support.kubernetes import local_pod
from support.opencode.real_server import SPEC_HERE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.opencode, pytest.mark.slow]

SPEC = replace(SPEC_HERE, agent=AgentSettings(model="anthropic/claude-sonnet-4-5"))


@pytest.fixture
def proxy() -> Iterator[str]:
    """A proxy without an answer, by which the provider's own address would be reached."""
    with unreachable_ports.silent() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def gateway() -> Iterator[str]:
    with unreachable_ports.taking() as port:
        yield f"http://127.0.0.1:{port}/v1"


def settings(url: str) -> str:
    provider = {"anthropic": {"options": {"baseURL": url}}}
    return json.dumps({"$schema": "https://opencode.ai/config.json", "provider": provider})


def served(
    root: Path, program: Path, proxy: str, **env: str
) -> tuple[local_pod.Pod, OpenCodeServerAgent]:
    """Start a pod's agent; the runner's own environment has only the proxy."""
    own = local_pod.environment(ANTHROPIC_API_KEY="none")
    own["PATH"] = f"{program}:{own['PATH']}"
    pod = local_pod.Pod(root, SPEC.to_json(), own)
    pod.start("agent", **env)
    server = Server(pod.port, local_pod.PASSWORD, str(pod.workspace))
    reach = Preflight(3, {"https_proxy": proxy})
    agent = OpenCodeServerAgent(SPEC, pod.workspace, server, threading.Event(), Masker([]), reach)
    return pod, agent


def test_the_environment_of_the_agents_container_counts(
    tmp_path: Path, program: Path, proxy: str, gateway: str
) -> None:
    pod, agent = served(tmp_path, program, proxy, ANTHROPIC_BASE_URL=gateway)
    try:
        agent.prepare()
    finally:
        pod.stop()


def test_the_repositorys_settings_count_for_a_server(
    tmp_path: Path, program: Path, proxy: str, gateway: str
) -> None:
    pod, agent = served(tmp_path, program, proxy)
    (pod.workspace / "opencode.json").write_text(settings(gateway))
    try:
        agent.prepare()
    finally:
        pod.stop()


def test_no_one_else_named_leaves_the_providers_own_address(
    tmp_path: Path, program: Path, proxy: str
) -> None:
    pod, agent = served(tmp_path, program, proxy, HTTPS_PROXY=proxy)
    try:
        with pytest.raises(UnreachableError, match=r"api\.anthropic\.com:443 did not connect"):
            agent.prepare()
    finally:
        pod.stop()


@pytest.mark.parametrize("named", [True, False])
def test_the_repositorys_settings_count_for_a_child(
    tmp_path: Path, program: Path, proxy: str, gateway: str, *, named: bool
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    if named:
        (work / "opencode.json").write_text(settings(gateway))
    environ = local_pod.environment(HOME=str(tmp_path), https_proxy=proxy)
    environ["PATH"] = f"{program}:{environ['PATH']}"
    stop, reach = threading.Event(), Preflight(3, environ)
    agent = OpenCodeAgent(SPEC, work, environ, stop, Masker([]), reach)
    if named:
        agent.prepare()
        return
    with pytest.raises(UnreachableError, match=r"api\.anthropic\.com:443 did not connect"):
        agent.prepare()
