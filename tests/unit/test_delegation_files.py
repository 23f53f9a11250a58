"""Entries of tasks_meta.json: what is written of a start and an end, and what is kept."""

from __future__ import annotations

import pytest

from sdlc_runner.events.types import Outcome
from sdlc_runner.orchestrator import delegation
from sdlc_runner.orchestrator.delegation import Delegate, Entry
from sdlc_runner.verify.verdict import Verdict

NOON = 1_767_268_800.0
LATER = NOON + 60
JOB = Delegate("sdlc-001-demo-t001-1-abc", "Write the model")
GOOD = Verdict("T001", Outcome.SUCCEEDED, "verified", "The remote shows the work.")
BAD = Verdict("T001", Outcome.FAILED, "agent_failed", "It ended with 3.")
FOREIGN: Entry = {"owner": "somebody", "files": "src/a.py", "agent_type": "general"}


def test_a_start() -> None:
    assert delegation.started({}, JOB, NOON) == {
        "name": "Write the model",
        "description": "Write the model",
        "agent_type": "agentic-sdlc-agent-runner",
        "execution_mode": "ASYNC",
        "status": "in_progress",
        "started_at": "2026-01-01T12:00:00+00:00",
        "mcp_job_id": "sdlc-001-demo-t001-1-abc",
    }


def test_a_success_in_both_spellings() -> None:
    entry = delegation.started({}, JOB, NOON)
    assert delegation.ended(entry, GOOD, "Branch b at c.", LATER) == {
        **entry,
        "status": "completed",
        "completed_at": "2026-01-01T12:01:00+00:00",
        "result_summary": "The remote shows the work. Branch b at c.",
        "quality_gate_passed": True,
        "quality_gates_passed": True,
        "quality_gate_at": "2026-01-01T12:01:00+00:00",
        "macro_reviewed": False,
    }


def test_a_failure_says_why_and_passes_no_gate() -> None:
    ended = delegation.ended({"result_summary": "old"}, BAD, "", LATER)
    assert ended == {
        "status": "failed",
        "completed_at": "2026-01-01T12:01:00+00:00",
        "failure_reason": "failed [agent_failed]: It ended with 3.",
        "quality_gate_passed": False,
        "quality_gates_passed": False,
        "quality_gate_at": "2026-01-01T12:01:00+00:00",
        "macro_reviewed": False,
    }


def test_what_is_not_known_is_kept() -> None:
    started = delegation.started(FOREIGN, JOB, NOON)
    ended = delegation.ended({**started, "macro_reviewed": True}, GOOD, "", LATER)
    assert ended is not None
    assert {name: ended[name] for name in FOREIGN} == FOREIGN
    assert ended["macro_reviewed"]


def test_the_same_again_changes_nothing() -> None:
    entry = delegation.started({}, JOB, NOON)
    assert delegation.started(entry, JOB, LATER) == entry
    ended = delegation.ended(entry, BAD, "", NOON)
    assert ended is not None
    assert delegation.ended(ended, BAD, "", LATER) == ended


def test_the_next_attempt_forgets_the_end_of_the_last() -> None:
    failed = delegation.ended({}, BAD, "", NOON)
    assert failed is not None
    again = delegation.started(failed, Delegate("another", "Write the model"), LATER)
    assert again["status"] == "in_progress"
    assert not {"failure_reason", "completed_at", "quality_gate_passed"} & again.keys()


@pytest.mark.parametrize("status", ["completed", "rolled_back"])
def test_what_someone_settled_by_hand_is_not_failed_again(status: str) -> None:
    assert delegation.ended({"status": status}, BAD, "", NOON) is None
    assert delegation.ended({"status": status}, GOOD, "", NOON) is not None
    conflict = delegation.ended({"status": status}, delegation.conflict("T001", "It is."), "", NOON)
    assert conflict is not None
    assert conflict["failure_reason"] == "conflict [conflict]: It is."


@pytest.mark.parametrize("code", ["still_running", "no_result", "already_started"])
def test_not_to_know_is_no_end(code: str) -> None:
    assert not delegation.is_end(BAD.__class__("T001", Outcome.UNVERIFIED, code, ""))
    assert delegation.is_end(BAD)
