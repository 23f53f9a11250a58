"""What becomes of the agent when its real server is killed, started again, or frozen."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from sdlc_runner.events.types import Outcome
from sdlc_runner.worker.agents.opencode_server.client import Server
from support.model.server import calls, shell
from support.opencode.real_server import LONG, Real, begun

pytestmark = [pytest.mark.opencode, pytest.mark.slow]


def test_a_killed_server_is_reported_within_seconds(own: Real) -> None:
    killed: list[float] = []

    def kill() -> None:
        own.pod.running[0].kill()
        own.pod.running[0].wait()
        killed.append(time.monotonic())

    begun(own, kill)
    end = own.run(calls(shell(LONG)))
    assert (end.status, end.code) == (Outcome.FAILED, "agent_server_died")
    assert time.monotonic() - killed[0] < 8


def test_a_server_that_was_started_again_does_not_know_the_session(own: Real) -> None:
    def restart() -> None:
        own.pod.running[0].kill()
        own.pod.running[0].wait()
        own.pod.start("agent")

    begun(own, restart)
    end = own.run(calls(shell(LONG)))
    assert (end.status, end.code) == (Outcome.FAILED, "agent_server_died")


def test_a_stopped_server_is_hung_within_the_idle_limit(own: Real) -> None:
    stopped: list[float] = []

    def freeze() -> None:
        own.pod.running[0].send_signal(signal.SIGSTOP)
        stopped.append(time.monotonic())

    begun(own, freeze)
    end = own.run(calls(shell(LONG)), idle_seconds=4)
    assert (end.status, end.code) == (Outcome.IDLE, "agent_server_hung")
    assert time.monotonic() - stopped[0] < 4 + 8


def test_the_server_listens_on_loopback_only_and_wants_its_password(own: Real) -> None:
    pid = own.pod.running[0].pid
    sockets = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    v6 = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    listening = [row[1] for row in rows + v6 if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]
    assert listening == [f"0100007F:{own.pod.port:04X}"]
    assert Server(own.pod.port, "wrong", str(own.work)).call("GET", "/session").refused
