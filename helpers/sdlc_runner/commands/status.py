"""``status``: lists every attempt of the feature, from the backend and the remote."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sdlc_runner.errors import ExitCode
from sdlc_runner.events.codec import Event, client_event, parse, seconds
from sdlc_runner.events.types import EventType, Outcome, RowEvent, SummaryEvent
from sdlc_runner.orchestrator import merger, registry
from sdlc_runner.output import render
from sdlc_runner.output.render import counted

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from sdlc_runner.backends.base import AttemptStatus
    from sdlc_runner.commands.call import Call
    from sdlc_runner.events.codec import AttemptKey
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output

_PAUSE_SECONDS = 2.0
_CLEAR = "\x1b[H\x1b[J"


def run(call: Call) -> ExitCode:
    """Print the attempts once, or as a live table."""
    show_table = watch_table if call.args.watch and not call.output.json else show
    return show_table(call.open(), call.output)


def rows(project: Project) -> list[Event]:
    """Return one ``row`` for each attempt."""
    _, found = registry.list_attempts(project)
    project.repo.fetch_feature(project.branch)
    ticked = project.published() or frozenset()
    conflicts = merger.find_conflicts(project, found, wait=False)
    in_conflict = {event.key for event in conflicts.values() if event.key}
    return [_row(project, known, ticked, in_conflict) for known in found]


def _row(
    project: Project, known: Attempt, ticked: frozenset[str], in_conflict: Container[AttemptKey]
) -> Event:
    verdicts = known.decide()
    judged = next((item for item in verdicts if not item.outcome.is_success), verdicts[0])
    merged = all(task in ticked for task in known.tasks)
    state = "running" if known.alive else "merged" if merged else "ended"
    outcome, code = judged.outcome, judged.code
    if known.key in in_conflict:
        outcome, code = Outcome.CONFLICT, Outcome.CONFLICT.value
    row = RowEvent(
        state=state,
        outcome=None if known.alive else outcome,
        code=None if known.alive else code,
        backend=known.evidence.start.backend if known.evidence.start else project.backend.kind,
        where=known.status.place if known.status else None,
        branch=known.branch or None,
        tasks=list(known.tasks),
    )
    return client_event(_with_progress(row, project, known), known.key)


def _with_progress(row: RowEvent, project: Project, known: Attempt) -> RowEvent:
    """Add phase, age, newest event and use: from the end of the log, or from the result."""
    result, status = known.evidence.result, known.status
    if status is None or (result and not known.alive):
        elapsed = registry.number(result.get("duration"))
        return replace(row, elapsed=elapsed, **registry.usage_of(result))
    since = status.since
    if status.phase is not None:
        return replace(
            row,
            phase=status.phase.value,
            elapsed=None if since is None else round(max(0.0, time.time() - since), 1),
            last=status.waiting[:200] or None,
        )
    events = _events(project, status)
    if not events:
        return row
    phases = [event.fields["phase"] for event in events if event.type is EventType.PHASE]
    used: list[Mapping[str, Any]] = [
        event.fields for event in events if event.type is EventType.USAGE
    ]
    usage = used[-1] if used else {}
    end = (None if known.alive else seconds(events[-1].time)) or time.time()
    return replace(
        row,
        phase=phases[-1] if phases else None,
        elapsed=None if since is None else round(max(0.0, end - since), 1),
        last=render.line(events[-1]._replace(key=None))[:200],
        **registry.usage_of(usage),
    )


def _events(project: Project, status: AttemptStatus) -> list[Event]:
    lines = project.backend.newest(status).splitlines()
    parsed = (parse(line, status.spec.key) for line in lines)
    return [event for event in parsed if event is not None]


def show(project: Project, output: Output) -> ExitCode:
    """Print the rows once."""
    found = rows(project)
    for row in found:
        output.write(row)
    running = sum(row.fields["state"] == "running" for row in found)
    verdict = f"{counted(len(found), 'attempt')}, {running} running."
    output.emit(
        SummaryEvent(
            verb="status",
            verdict=verdict if found else "No attempts yet.",
            ok=True,
            exit=int(ExitCode.OK),
            counts={"attempts": len(found), "running": running},
        )
    )
    return ExitCode.OK


def watch_table(project: Project, output: Output) -> ExitCode:
    """Show a live table on a terminal until nothing runs."""
    while True:
        found = rows(project)
        output.stdout.write(_CLEAR.encode())
        for row in found:
            output.write(row)
        if not any(row.fields["state"] == "running" for row in found):
            return ExitCode.OK
        time.sleep(_PAUSE_SECONDS)
