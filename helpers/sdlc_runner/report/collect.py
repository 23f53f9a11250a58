"""A feature's attempts as records for the report: from the remote, the backend and tasks.md."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from sdlc_runner.errors import RunnerError
from sdlc_runner.events import log_reader
from sdlc_runner.events.log_reader import Reader
from sdlc_runner.events.types import Outcome, WarningEvent
from sdlc_runner.orchestrator import merger, planning, registry
from sdlc_runner.report import spans
from sdlc_runner.report import tasks as report_tasks
from sdlc_runner.report.model import AttemptReport, Mood, ProblemReport, RunReport, Usage
from sdlc_runner.report.tasks import Merges, Recalled
from sdlc_runner.verify import evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.events.log_reader import LogEntry
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.verify.evidence import RemoteRefs
    from sdlc_runner.verify.verdict import Verdict

_EXCERPT_LINES = 12
_MERGES = 5000
_SUBJECT = re.compile(r"Merge (?P<tasks>[\w-]+(?:, [\w-]+)*) \(attempt [\w-]+\)\Z")
_FROM_OUTSIDE = frozenset({Outcome.CANCELLED, Outcome.INTERRUPTED, Outcome.REJECTED, Outcome.LOST})


def recall(project: Project, output: Output) -> RunReport:
    """Read all there is; a backend that cannot be asked is told, and not needed."""
    refs, found = _find(project, output)
    project.repo.fetch_feature(project.branch)
    now = time.time()
    recalled = [_recall(project, known, refs, now) for known in found]
    plan, _ = planning.make(project, planning.Request(failed=_failed(found)))
    merges = _merges(project, found)
    tasks = tuple(report_tasks.tell(plan, recalled, merges))
    attempted = tuple(item.record for item in recalled)
    return RunReport(project.feature.name, project.branch, now, tasks, attempted)


def _find(project: Project, output: Output) -> tuple[RemoteRefs, list[Attempt]]:
    try:
        return registry.list_attempts(project)
    except RunnerError as error:
        found = registry.list_attempts(project, remote_only=True)
        output.emit(
            WarningEvent(
                code=error.code.value,
                message=f"The report is from the remote alone. {error.message}",
                hint=error.hint or None,
            )
        )
        return found


def _failed(found: Sequence[Attempt]) -> frozenset[str]:
    newest = registry.latest(found)
    judged = [
        item
        for task, known in newest.items()
        if not known.alive
        for item in known.decide()
        if item.task == task
    ]
    return frozenset(item.task for item in judged if not item.outcome.is_success)


def _recall(project: Project, known: Attempt, refs: RemoteRefs, now: float) -> Recalled:
    batch = _sighted(project, known, refs)
    events = (entry.event for entry in batch if entry.event.type not in log_reader.SAID)
    way = spans.fold(events, known.tasks, now)
    result = known.evidence.result or known.ending.claim
    used = Usage.of(registry.usage_of(result))
    if not way.usage and len(known.tasks) == 1:
        way = way._replace(usage={known.key.task: used})
    verdicts = known.decide()
    record = AttemptReport(
        str(known.key),
        known.tasks,
        *_end(known, verdicts),
        began=way.began if way.began is not None else _start(project, known, refs, now),
        ended=None if known.alive else way.ended,
        spans=way.spans,
        usage=used if used.tokens else way.total,
        branch=known.branch,
        backend=known.evidence.start.backend if known.evidence.start else project.settings.backend,
    )
    return Recalled(
        record,
        known.key.number,
        way,
        {item.task: item for item in verdicts},
        known.evidence.branch_head,
        known.evidence.commits,
        tuple(log_reader.last_words(batch, _EXCERPT_LINES)),
    )


def _end(known: Attempt, verdicts: Sequence[Verdict]) -> tuple[str, Mood, str]:
    """Return outcome, mood and code; of a bundle that broke those of the break."""
    if known.alive:
        return "running", Mood.RUNNING, ""
    worst = next((item for item in verdicts if not item.outcome.is_success), verdicts[0])
    if worst.outcome.is_success:
        return worst.outcome.value, Mood.GOOD, worst.code
    mood = Mood.HALTED if worst.outcome in _FROM_OUTSIDE else Mood.BAD
    return worst.outcome.value, mood, worst.code


def _sighted(project: Project, known: Attempt, refs: RemoteRefs) -> list[LogEntry]:
    """Read an attempt's events: the transcript, else what log there still is."""
    reader = Reader(known.key)
    transcript = refs.refs.get(known.evidence.refs.transcript)
    if transcript is not None:
        return reader.feed(b"\n".join([*evidence.read_events(project.repo, transcript), b""]))
    if known.status is None:
        return []
    try:
        pieces = [item for data in project.backend.log(known.status) for item in reader.feed(data)]
    except RunnerError:
        return []  # its log went with its pod, or the backend is away by now
    return [*pieces, *reader.finish()]


def _start(project: Project, known: Attempt, refs: RemoteRefs, now: float) -> float | None:
    """Say when it began if it left no events: when it was started, or took the lock."""
    if known.status is not None and known.status.since is not None:
        return min(now, known.status.since)
    commit = refs.refs.get(known.evidence.refs.start)
    done = project.repo.git.try_run("show", "-s", "--format=%ct", commit or "")
    return min(now, float(done.text)) if done.ok and done.text.isdigit() else None


def _merges(project: Project, found: Sequence[Attempt]) -> Merges:
    """Read the feature branch's merges; what is verified and not in yet is tried."""
    options = ("--merges", "-z", f"-n{_MERGES}", "--format=%H %P%n%s")
    done = project.repo.git.try_run("log", *options, project.tracking)
    by_head: dict[str, str] = {}
    by_task: dict[str, str] = {}
    for entry in filter(None, done.text.split("\0") if done.ok else ()):
        commits, _, subject = entry.partition("\n")
        commit, _, *others = commits.split(" ")
        by_head.update(dict.fromkeys(others, commit))
        match = _SUBJECT.match(subject)
        for task in match["tasks"].split(", ") if match else ():
            by_task.setdefault(task, commit)
    return Merges(by_head, by_task, _conflicts(project, found))


def _conflicts(project: Project, found: Sequence[Attempt]) -> dict[str, ProblemReport]:
    return {
        task: ProblemReport(
            f"Conflict in {', '.join(event.fields['files'])}.", event.fields["hint"]
        )
        for task, event in merger.find_conflicts(project, found).items()
    }
