"""What an attempt writes and counts, also where nobody reads along."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from sdlc_runner.config.settings import Limits
from sdlc_runner.events.types import LogEvent
from sdlc_runner.worker.attempt import Budget
from sdlc_runner.worker.journal import Journal
from sdlc_runner.worker.masking import Masker
from support.agent_fixtures import KEY

if TYPE_CHECKING:
    from pathlib import Path


def test_every_line_is_copied(tmp_path: Path) -> None:
    with (tmp_path / "copy").open("w") as copy:
        journal = Journal(tmp_path / "events.jsonl", KEY, Masker(["top-secret"]), copy)
        journal.emit(LogEvent(text="ü top-secret", stream="stdout"))
        journal.close()
    assert journal.seq == 1
    assert "ü ***" in (tmp_path / "copy").read_text()
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "events.jsonl").read_bytes()


def test_a_reader_of_the_copy_that_leaves_costs_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    copy = os.fdopen(writer, "w")
    journal = Journal(tmp_path / "events.jsonl", KEY, Masker([]), copy)
    for text in ("one", "two"):
        journal.emit(LogEvent(text=text, stream="stdout"))
    journal.close()
    with contextlib.suppress(BrokenPipeError):
        copy.close()
    assert (tmp_path / "events.jsonl").read_text().count("\n") == 2


def test_waiting_before_the_agent_begins_uses_up_no_run_limit() -> None:
    budget = Budget(Limits(run_seconds=10))
    time.sleep(0.3)
    assert budget.left().run_seconds == 10
    assert budget.seconds >= 0.3
    time.sleep(0.3)
    assert budget.left().run_seconds <= 9.7
