"""What the tests of the agent's side share: an attempt, and an ear for its events."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask
from sdlc_runner.config.settings import AgentSettings, HeartbeatSettings, Limits
from sdlc_runner.events.codec import AttemptKey, Event, check, now
from sdlc_runner.events.types import EventBody, EventType
from sdlc_runner.worker.agents.factory import local_agent
from sdlc_runner.worker.masking import Masker

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdlc_runner.worker.agents import base

SLEEP = "import time; time.sleep(60)"
KEY = AttemptKey("001-demo", "T001", 1)
SPEC = AttemptSpec(
    key=KEY,
    identity="0" * 64,
    tasks=(AttemptTask("T001", "Demo", "T001 Demo"),),
    origin="",
    remote="",
    feature_dir="specs/001-demo",
    feature_branch="001-demo",
    base="0" * 40,
    branch="sdlc-runner/001-demo/T001-1",
    limits=Limits(run_seconds=30, idle_seconds=30, grace_seconds=5),
    heartbeat=HeartbeatSettings(seconds=0),
)


def limited(spec: AttemptSpec, **limits: float) -> AttemptSpec:
    """Return the attempt with other limits."""
    return replace(spec, limits=replace(spec.limits, **limits))  # type: ignore[arg-type]


def python(script: str) -> tuple[str, ...]:
    """Return the argv of an agent that is a few lines of Python."""
    return (sys.executable, "-u", "-c", script)


class Heard:
    """Keeps what is emitted; ``close`` checks that all of it was fit for the wire."""

    def __init__(self) -> None:
        self.events: list[tuple[EventType, dict[str, Any]]] = []

    def emit(self, body: EventBody) -> None:
        self.events.append((body.type, body.to_fields()))

    def of(self, type_: EventType) -> list[dict[str, Any]]:
        return [fields for kind, fields in self.events if kind is type_]

    def texts(self, stream: str | None = None) -> list[str]:
        logs = self.of(EventType.LOG)
        return [log["text"] for log in logs if stream is None or log["stream"] == stream]

    def close(self) -> None:
        for seq, (type_, fields) in enumerate(self.events, 1):
            assert check(Event(type_, now(), fields, KEY, seq).to_record()) is None, fields


class Stage:
    """Runs agents in a folder of their own."""

    def __init__(self, work: Path, heard: Heard) -> None:
        self.work = work
        self.heard = heard
        self.stop = threading.Event()
        self.environ = {"PATH": os.environ["PATH"]}
        self.masker = Masker([])

    def run(self, spec: AttemptSpec, prompt: str = "the prompt") -> base.AgentResult:
        return self.agent(spec).run(spec.limits, prompt, self.heard.emit)

    def agent(self, spec: AttemptSpec) -> base.Agent:
        return local_agent(spec, self.work, self.environ, self.stop, self.masker)

    def script(self, text: str, prompt: str = "the prompt", **limits: float) -> base.AgentResult:
        return self.run(
            limited(replace(SPEC, agent=AgentSettings(command=python(text))), **limits), prompt
        )

    def as_opencode(self, text: str) -> base.AgentResult:
        """Run a script that stands where OpenCode would be found."""
        program = self.work / "bin/opencode"
        program.parent.mkdir()
        program.write_text(f"#!{python('')[0]}\n{text}\n")
        program.chmod(0o755)
        self.environ["PATH"] = f"{program.parent}:{self.environ['PATH']}"
        return self.run(SPEC)


def is_gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"  # killed; its adoptive parent has yet to reap it


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for what another process will do in a moment."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
