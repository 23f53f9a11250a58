"""Commands that the real server runs for us: their exit, their output, their end."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from sdlc_runner.config.settings import VerifySettings
from sdlc_runner.events.types import EventType
from sdlc_runner.worker.agents import verify_commands
from support.agent_fixtures import is_gone, wait_until
from support.opencode.real_server import SPEC_HERE, Real

pytestmark = [pytest.mark.opencode, pytest.mark.slow]


def test_commands_leave_records(real: Real) -> None:
    odd = "printf '%s\\n' \"$0\" '`x`' \"it's\" '$HOME' >&2; exit 3"
    records = real.verify(odd, "pwd; cat", "kill -9 $$", "echo $((6*7)) | cat")
    assert [record["exit"] for record in records] == [3, 0, 137, 0]
    assert records[0] == {"command": odd, "exit": 3, "output": "sh\n`x`\nit's\n$HOME"}
    assert records[1]["output"] == str(real.work)
    assert records[3]["output"] == "42"
    assert real.heard.of(EventType.PHASE)[0]["detail"] == odd


def test_a_commands_end_of_output_is_kept(real: Real) -> None:
    [record] = real.verify("seq 1 200000; printf '\\033[31mred'")
    assert len(record["output"]) <= 2000
    assert record["output"].endswith("199999\n200000\nred")


def test_commands_cannot_print_an_exit_by_accident(real: Real) -> None:
    [record] = real.verify("echo 0; echo 'exit 0'; printf '\\n0 0\\n'; exit 1")
    assert record["exit"] == 1


def test_a_command_without_end_is_ended_in_time(real: Real) -> None:
    began = time.monotonic()
    records = real.verify("echo begun; echo $$ > pid; sleep 60", "echo never", seconds=1)
    assert [record["exit"] for record in records] == [124, 124]
    assert [record["output"] for record in records] == ["begun", ""]
    assert time.monotonic() - began < 15
    assert is_gone(int((real.work / "pid").read_text()))


def test_a_child_in_the_background_holds_nothing_up(real: Real) -> None:
    began = time.monotonic()
    [record] = real.verify("sleep 60 & echo $! > pid; echo done")
    assert (record["exit"], record["output"]) == (0, "done")
    assert time.monotonic() - began < 10
    wait_until(lambda: is_gone(int((real.work / "pid").read_text())), 3)


def test_being_reported_to_stop_ends_commands(real: Real) -> None:
    agent = real.agent(
        replace(SPEC_HERE, verify=VerifySettings(commands=("sleep 60", "echo never")))
    )
    threading.Timer(1, agent.stop.set).start()
    began = time.monotonic()
    records = verify_commands.run_all(agent, agent.spec, real.heard.emit, agent.stop)
    assert [record["exit"] for record in records] == [130, 130]
    assert time.monotonic() - began < 10
