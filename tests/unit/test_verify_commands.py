from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sdlc_runner.config.settings import VerifySettings
from sdlc_runner.events.types import EventType
from sdlc_runner.worker.agents import verify_commands
from sdlc_runner.worker.agents.factory import local_agent
from sdlc_runner.worker.masking import Masker
from support.agent_fixtures import SPEC, Heard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def heard() -> Iterator[Heard]:
    listener = Heard()
    yield listener
    listener.close()


def collect(
    work: Path,
    heard: Heard,
    *commands: str,
    seconds: float = 30,
    stop: threading.Event | None = None,
) -> list[dict[str, Any]]:
    spec = replace(SPEC, verify=VerifySettings(commands=commands, seconds=seconds))
    environ = {"PATH": os.environ["PATH"], "GIT_DIR": "/x"}
    masker = Masker(["top-secret"])
    stop = stop or threading.Event()
    agent = local_agent(spec, work, environ, stop, masker)
    return verify_commands.run_all(agent, spec, heard.emit, stop)


def test_every_command_leaves_a_record(tmp_path: Path, heard: Heard) -> None:
    records = collect(tmp_path, heard, "echo one; echo two >&2; exit 3", "pwd")
    assert [record["exit"] for record in records] == [3, 0]
    assert sorted(records[0]["output"].split()) == ["one", "two"]
    assert records[1] == {"command": "pwd", "exit": 0, "output": str(tmp_path)}
    phases = heard.of(EventType.PHASE)
    assert [phase["detail"] for phase in phases] == ["echo one; echo two >&2; exit 3", "pwd"]
    assert "two" in heard.texts("stderr")


def test_no_commands_no_records(tmp_path: Path, heard: Heard) -> None:
    assert collect(tmp_path, heard) == []
    assert heard.events == []


def test_only_the_end_of_the_output_is_kept(tmp_path: Path, heard: Heard) -> None:
    [record] = collect(tmp_path, heard, "seq 1 5000")
    assert len(record["output"]) <= 2000
    assert record["output"].endswith("\n4999\n5000")
    assert len(heard.texts()) == 5000


def test_output_is_clean_and_masked(tmp_path: Path, heard: Heard) -> None:
    [record] = collect(tmp_path, heard, r"printf '\033[31mtop-secret\377\n'")
    assert record["output"] == "***\ufffd"
    assert "top-secret" not in str(heard.texts())


def test_all_commands_share_the_time(tmp_path: Path, heard: Heard) -> None:
    began = time.monotonic()
    records = collect(tmp_path, heard, "sleep 30", "echo never", seconds=0.4)
    assert [record["exit"] for record in records] == [124, 124]
    assert records[1]["output"] == ""
    assert time.monotonic() - began < 5


def test_being_reported_to_stop_ends_them(tmp_path: Path, heard: Heard) -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    records = collect(tmp_path, heard, "echo begun; sleep 30", "echo never", stop=stop)
    assert [record["exit"] for record in records] == [130, 130]
    assert records[0]["output"] == "begun"


def test_a_signal_is_an_exit_code(tmp_path: Path, heard: Heard) -> None:
    assert collect(tmp_path, heard, "kill -9 $$")[0]["exit"] == 137


def test_they_read_nothing_and_see_no_git_settings(tmp_path: Path, heard: Heard) -> None:
    [record] = collect(tmp_path, heard, "cat; echo ${GIT_DIR-none}")
    assert record["output"] == "none"


def test_a_child_in_the_background_does_not_hang_us(tmp_path: Path, heard: Heard) -> None:
    began = time.monotonic()
    assert collect(tmp_path, heard, "sleep 30 & echo done")[0]["output"] == "done"
    assert time.monotonic() - began < 5
