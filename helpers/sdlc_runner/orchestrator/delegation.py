"""The files of the spec-kit fork in which it keeps the state of delegated tasks."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner import files
from sdlc_runner.digest import digest
from sdlc_runner.events.codec import clean
from sdlc_runner.events.types import Outcome, WarningEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.verify.verdict import Verdict

    Change = Callable[["Entry"], "Entry | None"]


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
"""Codes of verdicts after which the attempt may still be at work."""

_SETTLED = ("completed", "rolled_back")

Entry = dict[str, Any]


class Delegate(NamedTuple):
    """Who works on a task: ``job`` is the attempt's unique name at its backend."""

    job: str
    title: str


def is_end(verdict: Verdict) -> bool:
    """Whether it says how a task ended, and not only that this is not known yet."""
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
    status, reported = ("completed", "result_summary") if good else ("failed", "failure_reason")
    text = summary(verdict, work)
    if entry.get("status") == status and entry.get(reported) == text:
        return dict(entry)
    kept = {name: value for name, value in entry.items() if name not in _OF_AN_END}
    return {
        **kept,
        "status": status,
        "completed_at": _moment(now),
        reported: text,
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


_TITLE = 200


def note_started(project: Project, known: Attempt, output: Output) -> None:
    """Note that an attempt works on its tasks."""
    if known.status is None or not known.alive or not _is_there(project):
        return
    now = time.time()
    for task in known.status.spec.tasks:
        delegate = Delegate(known.status.name, clean(task.title, _TITLE))
        text = prompt(task.id, delegate, now)

        def change(entry: Entry, delegate: Delegate = delegate) -> Entry:
            return started(entry, delegate, now)

        _keep(project, task.id, change, {PROMPTS: text}, output)


def note_ended(project: Project, known: Attempt, verdict: Verdict, output: Output) -> None:
    """Note how one task ended, once it has."""
    if known.alive or not is_end(verdict) or not _is_there(project):
        return
    head = known.evidence.branch_head
    work = f"Branch {known.branch} at {head}." if head else ""
    _end(project, verdict, work, output)


def note_conflict(project: Project, task: str, message: str, output: Output) -> None:
    """Note that a task's verified work does not go in."""
    if _is_there(project):
        _end(project, conflict(task, message), "", output)


def _end(project: Project, verdict: Verdict, work: str, output: Output) -> None:
    now = time.time()
    text = summary(verdict, work) + "\n"
    state = {COMPLETED if verdict.outcome.is_success else ERRORS: text}
    _keep(
        project,
        verdict.task,
        lambda entry: ended(entry, verdict, work, now),
        state,
        output,
    )


def _is_there(project: Project) -> bool:
    folder = project.feature.directory
    return any(os.path.lexists(folder / name) for name in (META, STATE))


def _keep(
    project: Project, task: str, change: Change, state: dict[str, str], output: Output
) -> None:
    """Change the task's entry, and let the state say what ``state`` says and no more."""
    folder = project.feature.directory
    try:
        with _alone(project):
            if (folder / META).exists() and not _rewrite(folder / META, task, change):
                return
            _note(folder / STATE, task, state)
    except (OSError, ValueError, RecursionError) as error:
        output.emit(
            WarningEvent(
                code="bridge_failed",
                message=f"The fork's files of {task} were left as they are: {error}",
                hint=f"`sdlc-runner verify {task}` writes them once that is fixed.",
            )
        )


def _alone(project: Project) -> AbstractContextManager[None]:
    """Be the only process that writes; the lock lies outside of the checkout."""
    name = digest(str(project.feature.directory.resolve()))[:16]
    return files.lock(project.state / "bridge" / name)


def _rewrite(path: Path, task: str, change: Change) -> bool:
    """Change one entry, False if it is not ours; begin again if the file changed meanwhile."""
    while True:
        old = files.read(path, follow=False)
        record = _load(old)
        entries = record.setdefault("tasks", {})
        entry = entries.get(task, {})
        if not isinstance(entry, dict):
            raise ValueError(f"{META} has no object for {task}")  # noqa: TRY004
        new = change(entry)
        if new is None or new == entry:
            return new is not None
        entries[task] = new
        text = json.dumps(record, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        if files.read(path, follow=False) == old:
            files.write(path, text)
            return True


def _load(data: bytes) -> dict[str, Any]:
    record = json.loads(data)
    if not isinstance(record, dict) or not isinstance(record.get("tasks", {}), dict):
        raise ValueError(f"{META} is not an object with tasks")  # noqa: TRY004
    return record


def _note(folder: Path, task: str, state: dict[str, str]) -> None:
    """Write the files of ``state``; an end takes the place of the other end, a start of both."""
    for name in (PROMPTS, COMPLETED, ERRORS):
        _refuse_link(folder, folder / name)
    for name in {COMPLETED, ERRORS} - state.keys():
        (folder / name / f"{task}.txt").unlink(missing_ok=True)
    for name, text in state.items():
        path = folder / name / f"{task}{'.md' if name == PROMPTS else '.txt'}"
        _refuse_link(path)
        if not path.exists() or (name != PROMPTS and files.read(path) != text.encode()):
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, text)


def _refuse_link(*paths: Path) -> None:
    for path in paths:
        if path.is_symlink():
            raise ValueError(f"{path.name} is a link")
