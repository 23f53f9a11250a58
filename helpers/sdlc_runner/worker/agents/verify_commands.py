"""Runs the verify commands on the agent's side: what they print is a claim like all else there."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from sdlc_runner import process
from sdlc_runner.events.codec import clean
from sdlc_runner.events.types import LogEvent, PhaseEvent, PhaseName
from sdlc_runner.worker.agents import opencode_config
from sdlc_runner.worker.agents.child_io import follow
from sdlc_runner.worker.agents.heartbeat import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from threading import Event as Flag

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.worker.agents.heartbeat import Emit
    from sdlc_runner.worker.masking import Masker

OUTPUT_LIMIT = 2000
_TAIL_LINES = 200
STOPPED = 130


def collect(
    spec: AttemptSpec,
    work: Path,
    environ: Mapping[str, str],
    emit: Emit,
    stop: Flag,
    masker: Masker,
) -> list[dict[str, Any]]:
    """Run all verify commands, also after one has failed; one record each: command, exit, output.

    The exit is 124 for a command that did not end, or not begin, in time, and 130 when stopped.
    """
    env = opencode_config.environment(spec, work, environ)
    deadline = time.monotonic() + spec.verify.seconds if spec.verify.seconds else math.inf
    records = []
    for command in spec.verify.commands:
        emit(PhaseEvent(phase=PhaseName.VERIFYING, detail=clean(command)))
        trial = _Trial(emit, stop, Heartbeat(spec.heartbeat.seconds, emit), deadline)
        code = trial.run(command, work, env, masker)
        output = trial.tail[-OUTPUT_LIMIT:]
        records.append({"command": clean(command), "exit": code, "output": output})
    return records


class _Trial:
    """One verify command, and the end of what it says."""

    def __init__(self, emit: Emit, stop: Flag, pulse: Heartbeat, deadline: float) -> None:
        self._emit = emit
        self._stop = stop
        self._pulse = pulse
        self._deadline = deadline
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    @property
    def tail(self) -> str:
        return "\n".join(self._tail)

    def run(self, command: str, work: Path, env: Mapping[str, str], masker: Masker) -> int:
        code = self._check()
        if code is not None:
            return code
        child = process.start(
            ("sh", "-c", command),
            cwd=work,
            env=env,
            stdin=process.DEVNULL,
            stdout=process.PIPE,
            stderr=process.PIPE,
            dies_with_us=True,
        )
        cause = follow(child, stdin=b"", masker=masker, hear=self._hear, check=self._check, grace=1)
        if cause is not None:
            return cause
        return child.returncode if child.returncode >= 0 else 128 - child.returncode

    def _hear(self, stream: str, line: str) -> None:
        self._pulse.heard()
        text = clean(line).rstrip()
        if text:
            self._tail.append(text)
            self._emit(LogEvent(text=text, stream=stream))

    def _check(self) -> int | None:
        self._pulse.beat()
        if self._stop.is_set():
            return STOPPED
        return process.TIMED_OUT if time.monotonic() >= self._deadline else None
