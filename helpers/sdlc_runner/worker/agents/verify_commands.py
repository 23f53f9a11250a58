"""The verify commands: run where the agent runs, so what they print is a claim like the agent's."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from sdlc_runner import process
from sdlc_runner.events.codec import clean
from sdlc_runner.events.types import LogEvent, PhaseEvent, PhaseName
from sdlc_runner.worker.agents.base import STOPPED
from sdlc_runner.worker.agents.limits import Heartbeat

if TYPE_CHECKING:
    from threading import Event as Flag

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.worker.agents.base import Agent, Emit

OUTPUT_LIMIT = 2000  # characters of the output that becomes evidence
_TAIL_LINES = 200


def run_all(agent: Agent, spec: AttemptSpec, emit: Emit, stop: Flag) -> list[dict[str, Any]]:
    """Run all verify commands, also after one has failed; one record each: command, exit, output.

    They share ``verify.seconds``. The exit is 124 for a command that did not end, or not begin,
    in time, 125 for one that the agent's side did not run, and 130 when stopped.
    """
    deadline = time.monotonic() + spec.verify.seconds if spec.verify.seconds else math.inf
    records = []
    for command in spec.verify.commands:
        emit(PhaseEvent(phase=PhaseName.VERIFYING, detail=clean(command)))
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        code = _run(
            agent, command, deadline, stop, Heartbeat(spec.heartbeat.seconds, emit), tail, emit
        )
        output = "\n".join(tail)[-OUTPUT_LIMIT:]
        records.append({"command": clean(command), "exit": code, "output": output})
    return records


def _run(
    agent: Agent,
    command: str,
    deadline: float,
    stop: Flag,
    heartbeat: Heartbeat,
    tail: deque[str],
    emit: Emit,
) -> int:
    def on_line(stream: str, line: str) -> None:
        heartbeat.alive()
        text = clean(line).rstrip()
        if text:
            tail.append(text)
            emit(LogEvent(text=text, stream=stream))

    if stop.is_set():
        return STOPPED
    left = deadline - time.monotonic()
    return agent.shell(command, left, on_line, heartbeat.beat) if left > 0 else process.TIMED_OUT
