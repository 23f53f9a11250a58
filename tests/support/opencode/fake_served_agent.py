"""A served agent before a server that plays, and what such a server says most often."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from sdlc_runner.worker.agents.opencode_server.agent import OpenCodeServerAgent
from sdlc_runner.worker.agents.opencode_server.client import Server
from sdlc_runner.worker.masking import Masker
from support.agent_fixtures import SPEC, Heard, limited
from support.opencode.fake_agent_server import IDLE, FakeServer, Listener, finish, part, tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sdlc_runner.worker.agents.base import AgentResult


SAID = part("text", "prt_5", text="Done.", time={"start": 1, "end": 2})
WELL = (tool("running"), tool("completed"), SAID, finish(), IDLE)


def served(work: Path, port: int, secrets: tuple[str, ...] = ()) -> OpenCodeServerAgent:
    server = Server(port, "pw", str(work))
    return OpenCodeServerAgent(SPEC, work, server, threading.Event(), Masker(secrets))


def run(
    fake: FakeServer,
    work: Path,
    heard: Heard,
    stop_after: float | None = None,
    secrets: tuple[str, ...] = (),
    **limits: float,
) -> AgentResult:
    agent = served(work, fake.port, secrets)
    if stop_after is not None:
        threading.Timer(stop_after, agent.stop.set).start()
    spec = limited(SPEC, **{"idle_seconds": 10, **limits})
    return agent.run(spec.limits, "the prompt", heard.emit)


def plays(*events: object) -> Callable[[Listener], None]:
    """Return a stream of events after which nothing comes."""

    def play(listener: Listener) -> None:
        listener.send(*events)
        listener.hold()

    return play


def breaks(*events: object) -> Callable[[Listener], None]:
    """Return a stream that ends after some events."""
    return lambda listener: listener.send(*events)


def message(*parts: dict[str, Any], role: str = "assistant", **info: object) -> dict[str, Any]:
    inner = [each["properties"]["part"] for each in parts]
    return {"info": {"role": role, **info}, "parts": inner}
