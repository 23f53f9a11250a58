"""What the spec-kit fork's own scripts read of a delegated task: its entry in tasks_meta.json.

Pure: an entry in, the entry as it shall be out. What it does not know it keeps.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.events.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.verify.verdict import Verdict

META, STATE = "tasks_meta.json", ".async_state"
PROMPTS, COMPLETED, ERRORS = (f"delegation_{name}" for name in ("prompts", "completed", "errors"))
AGENT_TYPE = "agentic-sdlc-agent-runner"
_GATES = ("quality_gate_passed", "quality_gates_passed")
"""The one that the fork writes, and the one that its trace reads."""
_OF_AN_END = (
    *("completed_at", "failure_reason", "result_summary", "quality_gate_at", "macro_reviewed"),
    *_GATES,
)
_NO_END = frozenset({"still_running", "no_result", "already_started"})
"""Codes of judgements after which the attempt may still be at work."""

_SETTLED = ("completed", "rolled_back")

Entry = dict[str, Any]


class Delegate(NamedTuple):
    """Who works on a task: ``job`` is the attempt's unique name at its backend."""

    job: str
    title: str


def is_end(verdict: Verdict) -> bool:
    """Whether it says how a task ended, and not only that nobody knows yet."""
    return verdict.code not in _NO_END


def started(entry: Mapping[str, Any], delegate: Delegate, now: float) -> Entry:
    """Return the entry of a task that is being worked on."""
    if entry.get("mcp_job_id") == delegate.job and entry.get("status") == "in_progress":
        return dict(entry)
    kept = {name: value for name, value in entry.items() if name not in _OF_AN_END}
    return {
        "name": delegate.title,
        "description": delegate.title,
        "agent_type": AGENT_TYPE,
        **kept,
        "execution_mode": "ASYNC",
        "status": "in_progress",
        "started_at": _moment(now),
        "mcp_job_id": delegate.job,
    }


def ended(entry: Mapping[str, Any], verdict: Verdict, work: str, now: float) -> Entry | None:
    """Return the entry of a task that has ended; ``work`` says where its work is.

    None: somebody has completed by hand, or rolled back, what the attempt failed at.
    """
    good = verdict.outcome.is_success
    settled = entry.get("status") in _SETTLED and verdict.outcome is not Outcome.CONFLICT
    if settled and not good:
        return None
    status, told = ("completed", "result_summary") if good else ("failed", "failure_reason")
    text = summary(verdict, work)
    if entry.get("status") == status and entry.get(told) == text:
        return dict(entry)
    kept = {name: value for name, value in entry.items() if name not in _OF_AN_END}
    return {
        **kept,
        "status": status,
        "completed_at": _moment(now),
        told: text,
        **dict.fromkeys(_GATES, good),
        "quality_gate_at": _moment(now),
        "macro_reviewed": entry.get("macro_reviewed", False),
    }


def summary(verdict: Verdict, work: str) -> str:
    """Say in one line how a task ended."""
    if verdict.outcome.is_success:
        return f"{verdict.message} {work}".strip()
    return f"{verdict.outcome.value} [{verdict.code}]: {verdict.message}"


def conflict(task: str, message: str) -> Verdict:
    """Make the end of a task whose verified work does not go in."""
    from sdlc_runner.verify.verdict import Verdict  # noqa: PLC0415 - plans need none

    return Verdict(task, Outcome.CONFLICT, Outcome.CONFLICT.value, message)


def prompt(task: str, delegate: Delegate, now: float) -> str:
    """Write the request as the fork writes it: where there is one, it says "running"."""
    return (
        f"# Delegation Request\n\n**Task ID:** {task}\n**Agent Type:** {AGENT_TYPE}\n"
        f"**Timestamp:** {_moment(now)}\n\n## Description\n\n{delegate.title}\n"
    )


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(seconds))
