"""The real server of OpenCode, in a folder of a test's own, before a scripted model."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sdlc_runner.config.settings import AgentSettings, Limits, VerifySettings
from sdlc_runner.worker.agents import verify_commands
from sdlc_runner.worker.agents.opencode_server.agent import OpenCodeServerAgent
from sdlc_runner.worker.agents.opencode_server.client import Server
from sdlc_runner.worker.masking import Masker
from support.agent_fixtures import SPEC, Heard, limited, wait_until
from support.kubernetes import local_pod
from support.model.server import KEY, MODEL, ModelServer, Rule

if TYPE_CHECKING:
    from pathlib import Path

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.worker.agents.base import AgentResult


SPEC_HERE = replace(SPEC, agent=AgentSettings(model=MODEL), limits=Limits(), backend="kubernetes")
LONG = "echo begun > begun; sleep 100; echo never > never"


@dataclass
class Real:
    """A real server, the model behind it, and one of its folders."""

    pod: local_pod.Pod
    model: ModelServer
    work: Path
    heard: Heard

    def agent(self, spec: AttemptSpec = SPEC_HERE) -> OpenCodeServerAgent:
        server = Server(self.pod.port, local_pod.PASSWORD, str(self.work))
        return OpenCodeServerAgent(spec, self.work, server, threading.Event(), Masker([KEY]))

    def run(self, *turns: Any, model: str = MODEL, **limits: float) -> AgentResult:  # noqa: ANN401
        self.model.rules = [Rule("task T001", turns)]
        spec = limited(
            replace(SPEC_HERE, agent=AgentSettings(model=model)), **{"run_seconds": 100, **limits}
        )
        agent = self.agent(spec)
        with agent.turn():
            return agent.run(spec.limits, "Do task T001", self.heard.emit)

    def verify(self, *commands: str, seconds: float = 30) -> list[dict[str, Any]]:
        agent = self.agent(
            replace(SPEC_HERE, verify=VerifySettings(commands=commands, seconds=seconds))
        )
        with agent.turn():
            return verify_commands.run_all(agent, agent.spec, self.heard.emit, agent.stop)


def started(root: Path, model: ModelServer) -> local_pod.Pod:
    """Start a pod's agent container, and wait for its server."""
    pod = local_pod.Pod(root, SPEC_HERE.to_json(), model.environment(local_pod.environment()))
    pod.start("agent")
    server = Server(pod.port, local_pod.PASSWORD, str(pod.workspace))
    OpenCodeServerAgent(SPEC_HERE, pod.workspace, server, threading.Event(), Masker([])).prepare()
    return pod


def begun(real: Real, then: Any) -> None:  # noqa: ANN401
    """Do something to the server once the agent's command runs."""

    def wait() -> None:
        wait_until((real.work / "begun").exists, 60)
        then()

    threading.Thread(target=wait).start()
