"""A feature's attempts as records for the report: from the remote, the backend and tasks.md."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.errors import RunnerError
from sdlc_runner.events import log_reader
from sdlc_runner.events.codec import seconds
from sdlc_runner.events.log_reader import Reader
from sdlc_runner.events.types import EventType, Outcome, PhaseName, WarningEvent
from sdlc_runner.orchestrator import merger, planning, registry
from sdlc_runner.plan.planner import Disposition
from sdlc_runner.report.model import (
    AttemptReport,
    Mood,
    ProblemReport,
    RunReport,
    Span,
    TaskReport,
    UsageReport,
)
from sdlc_runner.tasks.parser import Mode
from sdlc_runner.verify import evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sdlc_runner.events.codec import Event
    from sdlc_runner.events.log_reader import LogEntry
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.plan.planner import Plan, PlanItem
    from sdlc_runner.verify.evidence import RemoteRefs, WorkCommit
    from sdlc_runner.verify.verdict import Verdict


_SPAN_LIMIT = 200  # a bundle has a handful for each task


class Track(NamedTuple):
    """One attempt's way; ``usage`` is by task."""

    began: float | None
    ended: float | None
    spans: tuple[Span, ...]
    usage: Mapping[str, UsageReport]

    @property
    def total(self) -> UsageReport:
        """Tokens and cost of all its tasks."""
        total = UsageReport()
        for used in self.usage.values():
            total = total.plus(used)
        return total

    def seconds(self, task: str) -> float:
        """How long it was at one of its tasks; what came before the first counts for that one."""
        return sum(span.ended - span.began for span in self.spans if span.task == task)


def fold(events: Iterable[Event], tasks: Sequence[str], now: float) -> Track:
    """Follow an attempt at ``tasks`` through its events, in order; no clock is past ``now``."""
    current, latest, reported = tasks[0], None, UsageReport()
    began: float | None = None
    turns: list[tuple[str, str, float]] = []
    usage: dict[str, UsageReport] = {}
    for event in events:
        at = seconds(event.time)
        if at is None:
            continue
        at = min(at, now)
        began = at if began is None else began
        latest = at if latest is None else max(latest, at)  # clocks may be set back
        if event.type is EventType.PHASE:
            phase, task = event.fields["phase"], event.fields.get("detail")
            if phase == PhaseName.WORKING.value and task in tasks:
                current = str(task)
            turns.append((phase, current, latest))
        elif event.type is EventType.USAGE:
            used = UsageReport.of(event.fields)
            usage[current] = usage.get(current, UsageReport()).plus(used.beyond(reported))
            reported = reported.plus(used.beyond(reported))
    return Track(began, latest, tuple(_spans(turns[:_SPAN_LIMIT], latest)), usage)


def _spans(turns: Sequence[tuple[str, str, float]], ended: float | None) -> Iterable[Span]:
    ends = [began for _, _, began in turns[1:]]
    for (phase, task, began), end in zip(turns, [*ends, ended or 0.0], strict=False):
        yield Span(phase, task, began, max(began, end))


_GONE = "(not in tasks.md any more)"
_TELLING = frozenset({Disposition.BLOCKED, Disposition.INVALID, Disposition.MANUAL})
"""Dispositions whose reason somebody has to read."""


class Recalled(NamedTuple):
    """One attempt: its record, its way, how each task ended, and its log's last lines."""

    record: AttemptReport
    number: int
    track: Track
    verdicts: Mapping[str, Verdict]
    head: str | None = None
    commits: tuple[WorkCommit, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.record.outcome == "running"


class Merges(NamedTuple):
    """Merge commits on the feature branch, by what went in and by the tasks they name.

    ``conflicts`` are tasks that do not go in: what happened, and what to do.
    """

    by_head: Mapping[str, str]
    by_task: Mapping[str, str]
    conflicts: Mapping[str, ProblemReport]

    def of(self, task: str, newest: Recalled | None) -> str:
        """Return the commit that brought a task's work in; empty if there is none."""
        if newest is not None and newest.head is not None:
            return self.by_head.get(newest.head, "")
        return self.by_task.get(task, "")


def tell(plan: Plan, recalled: Sequence[Recalled], merges: Merges) -> Iterator[TaskReport]:
    """Yield the tasks in file order, then those that only attempts know."""
    for item in plan.items:
        mine = [each for each in recalled if item.task.id in each.record.tasks]
        yield _task(item, mine, merges)
    listed = {item.task.id for item in plan.items}
    for task in dict.fromkeys(task for each in recalled for task in each.record.tasks):
        if task not in listed:
            mine = [each for each in recalled if task in each.record.tasks]
            state = _newest(mine).record.outcome
            yield _spent(TaskReport(task, _GONE, state), mine)


def _task(item: PlanItem, mine: Sequence[Recalled], merges: Merges) -> TaskReport:
    newest = _newest(mine) if mine else None
    is_done = item.disposition is Disposition.DONE
    state, trouble = _state(item, newest, merges)
    task = TaskReport(
        item.task.id,
        item.task.title,
        state,
        is_sync=item.task.mode is Mode.SYNC and not mine,
        is_done=is_done,
        line=item.task.line,
        merged=merges.of(item.task.id, newest) if is_done else "",
        trouble=trouble,
    )
    return _spent(task, mine)


def _newest(mine: Sequence[Recalled]) -> Recalled:
    return max(mine, key=lambda each: each.number)


def _state(
    item: PlanItem, newest: Recalled | None, merges: Merges
) -> tuple[str, ProblemReport | None]:
    task, judged = item.task.id, None if newest is None else newest.verdicts.get(item.task.id)
    if newest is not None and newest.alive:
        return "running", None
    if item.disposition is Disposition.DONE:
        good = judged is not None and judged.outcome.is_success
        return (judged.outcome.value if judged and good else "done"), None
    if newest is None or judged is None:
        telling = item.disposition in _TELLING
        return item.disposition.value, ProblemReport(item.reason, "") if telling else None
    if task in merges.conflicts:
        return "conflict", merges.conflicts[task]
    if judged.outcome.is_success:
        return "not merged", ProblemReport(judged.message, "`sdlc-runner merge`")
    return judged.outcome.value, ProblemReport(judged.message, judged.hint, newest.words)


def _spent(task: TaskReport, mine: Sequence[Recalled]) -> TaskReport:
    """Add what all attempts at a task took and left."""
    usage = UsageReport()
    for each in mine:
        usage = usage.plus(each.track.usage.get(task.id, UsageReport()))
    commits = [
        commit.id
        for each in mine
        for commit in each.commits
        if commit.trailers.get("Task") == task.id
    ]
    lasted = [each.track.seconds(task.id) for each in mine]
    return replace(
        task,
        attempts=tuple(each.record.name for each in mine),
        seconds=sum(lasted) if any(lasted) else None,
        usage=usage,
        commits=tuple(commits),
    )


_EXCERPT_LINES = 12
_MERGES = 5000
_SUBJECT = re.compile(r"Merge (?P<tasks>[\w-]+(?:, [\w-]+)*) \(attempt [\w-]+\)\Z")
_FROM_OUTSIDE = frozenset({Outcome.CANCELLED, Outcome.INTERRUPTED, Outcome.REJECTED, Outcome.LOST})


def recall(project: Project, output: Output) -> RunReport:
    """Read all there is; a backend that cannot be asked is reported, and not needed."""
    refs, found = _find(project, output)
    project.repo.fetch_feature(project.branch)
    now = time.time()
    recalled = [_recall(project, known, refs, now) for known in found]
    plan, _ = planning.make(project, planning.Request(failed=_failed(found)))
    merges = _merges(project, found)
    tasks = tuple(tell(plan, recalled, merges))
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
    events = (entry.event for entry in batch if entry.event.type not in log_reader.TEXT_TYPES)
    way = fold(events, known.tasks, now)
    result = known.evidence.result or known.ending.claim
    used = UsageReport.of(registry.usage_of(result))
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
