"""The whole way: from the plan to merged work, wave after wave."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, ExitCode
from sdlc_runner.events.codec import AttemptKey
from sdlc_runner.events.types import Outcome, SummaryEvent, WarningEvent
from sdlc_runner.orchestrator import launcher, merger, planning
from sdlc_runner.orchestrator.follower import Follower, emit_outcome
from sdlc_runner.output.render import counted
from sdlc_runner.plan.planner import Disposition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdlc_runner.orchestrator.launcher import LaunchContext
    from sdlc_runner.orchestrator.planning import Request
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.plan.planner import Plan, PlanItem, Unit
    from sdlc_runner.verify.verdict import Verdict


TRIES = 3
"""Starts of one attempt, the first included."""


def is_infrastructure(verdict: Verdict) -> bool:
    """Whether nothing is wrong with the task, its template or its limits: it may well go again."""
    passing = verdict.code == Code.REMOTE_UNREACHABLE.value
    return passing or verdict.outcome is Outcome.INTERRUPTED


@dataclass
class RestartPolicy:
    """Counts how often each attempt was started."""

    project: Project
    output: Output
    _again: Counter[AttemptKey] = field(default_factory=Counter)

    def of_unbegun(self, follower: Follower) -> list[Attempt]:
        """Start again what ended without having begun; return what was started."""
        newest = {item.key: item for item in follower.known}
        bad = [item for item in newest.values() if self._may(item, follower.verdicts)]
        if not bad:
            return []
        context, tasks = launcher.prepare(self.project), self.project.load_tasks()[1].tasks
        self._again.update(item.key for item in bad)
        return [
            launcher.resume(
                self.project,
                context,
                item,
                [task for task in tasks if task.id in item.tasks],
                self.output,
            )
            for item in bad
        ]

    def _may(self, known: Attempt, verdicts: Mapping[str, Verdict]) -> bool:
        judged = [verdicts[task] for task in known.tasks if task in verdicts]
        never_began = not known.began and known.status is not None
        more = self._again[known.key] < TRIES - 1
        return never_began and more and bool(judged) and all(map(is_infrastructure, judged))


_SHOWN = 5  # ids that fit a line


@dataclass
class RunSummary:
    """How the tasks of one ``run`` ended; ``unticked`` are merged, but could not be ticked."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    ticked: list[str] = field(default_factory=list)
    unticked: list[str] = field(default_factory=list)

    def rows(self, plan: Plan) -> list[tuple[str, ...]]:
        """Return one row a task, without those that were done before."""
        rows: list[tuple[str, ...]] = []
        for item in plan.items:
            ended, why = self._ended(item)
            if ended != Disposition.DONE.value:
                rows.append((item.task.id, ended, f"line {item.task.line}", why))
        return rows

    def _ended(self, item: PlanItem) -> tuple[str, str]:
        task = item.task.id
        if task in self.conflicts:
            return Outcome.CONFLICT.value, f"not merged; try: sdlc-runner retry {task}"
        if task in self.unticked:
            return "not ticked", "merged, but the remote's tasks.md does not list it"
        if task in self.verdicts:
            return self.verdicts[task].outcome.value, self.verdicts[task].message
        return item.disposition.value, item.reason

    def summarize(self, plan: Plan, failed: Sequence[str], halted: str, output: Output) -> ExitCode:
        """Write table and summary; return how the run ended."""
        output.table(self.rows(plan))
        code = ExitCode.TASK_FAILED if failed or self.unticked or plan.problems else ExitCode.OK
        counts = Counter(item.outcome.value for item in self.verdicts.values())
        counts["ticked"] = len(self.ticked)
        counts["conflict"] = len(self.conflicts)
        output.emit(
            SummaryEvent(
                verb="run",
                verdict=self._verdict(plan, failed, halted),
                ok=code is ExitCode.OK,
                exit=int(code),
                counts=dict(counts),
                next=self._next(plan, failed),
            )
        )
        return code

    def _verdict(self, plan: Plan, failed: Sequence[str], halted: str) -> str:
        done = f"{len(self.ticked)} verified, merged and ticked" if self.ticked else ""
        parts = [done or "Nothing merged"]
        ended_badly = [task for task in failed if task not in self.conflicts]
        if ended_badly:
            parts.append(f"{len(ended_badly)} failed, SYNC work now: {_first(ended_badly)}")
        if self.conflicts:
            parts.append(f"{len(self.conflicts)} in conflict: {_first(self.conflicts)}")
        if self.unticked:
            parts.append(f"{len(self.unticked)} merged but not ticked: {_first(self.unticked)}")
        if halted:
            parts.append(halted)
        for disposition in (Disposition.INVALID, Disposition.BLOCKED, Disposition.WAITING):
            reported = {*failed, *self.unticked}
            tasks = [task for task in _of(plan, disposition) if task not in reported]
            if tasks:
                parts.append(f"{len(tasks)} {disposition.value}: {_first(tasks)}")
        yours = _of(plan, Disposition.SYNC)
        if yours:
            parts.append(f"{counted(len(yours), 'SYNC task')} for you: {_first(yours)}")
        return "; ".join(parts) + "."

    def _next(self, plan: Plan, failed: Sequence[str]) -> str | None:
        if failed:
            verb = "retry" if failed[0] in self.conflicts else "logs"
            return f"sdlc-runner {verb} {failed[0]}"
        if self.unticked or any("publish" in item.reason for item in plan.items):
            return "sdlc-runner publish"
        return None


def _of(plan: Plan, disposition: Disposition) -> list[str]:
    return [item.task.id for item in plan.items if item.disposition is disposition]


def _first(tasks: Sequence[str]) -> str:
    return ", ".join(tasks[:_SHOWN]) + (", …" if len(tasks) > _SHOWN else "")


_PAUSE = 0.05


@dataclass
class Run:
    """One ``run``: what has ended so far, and how."""

    project: Project
    request: Request
    output: Output
    summary: RunSummary = field(default_factory=RunSummary)
    _unbegun: set[str] = field(default_factory=set)
    _begun: Counter[str] = field(default_factory=Counter)

    def go(self) -> ExitCode:
        """Go on until nothing more can run, or spec-kit's rule says halt."""
        reported = False
        while True:
            context = launcher.prepare(self.project)
            plan = self._plan()
            if not reported:
                planning.emit_problems(plan, self.output)
                reported = True
            if not plan.waves:
                return self._summarize(plan)
            known = self._work(context, plan.waves[0])
            done = merger.integrate(self.project, self._candidates(known, plan), self.output)
            self.summary.ticked += done.ticked
            self.summary.conflicts += done.conflicts
            self._find_unticked(known, plan)
            halted = self._halted(plan)
            if halted:
                return self._summarize(self._plan(), halted)

    def _summarize(self, plan: Plan, halted: str = "") -> ExitCode:
        return self.summary.summarize(plan, self._failed(), halted, self.output)

    def _plan(self) -> Plan:
        request = self.request._replace(failed=frozenset([*self._failed(), *self.summary.unticked]))
        return planning.make(self.project, request)[0]

    def _failed(self) -> list[str]:
        bad = [task for task, item in self.summary.verdicts.items() if not item.outcome.is_success]
        again = {task for task in bad if self._may_begin_again(task)}
        return [task for task in bad if task not in again] + self.summary.conflicts

    def _may_begin_again(self, task: str) -> bool:
        """Whether its agent never began, and it was not started too often yet."""
        never_began = task in self._unbegun and is_infrastructure(self.summary.verdicts[task])
        return never_began and self._begun[task] < TRIES

    def _work(self, context: LaunchContext, wave: Sequence[Unit]) -> list[Attempt]:
        """Run a wave, at most ``max_parallel`` attempts at once; return its attempts."""
        follower = Follower(self.project, self.output)
        waiting, ended = list(wave), []
        while waiting or follower.running:
            while waiting and follower.running < self.project.settings.max_parallel:
                unit = waiting.pop(0)
                self._begun.update(task.id for task in unit.tasks)
                known = launcher.start(self.project, context, unit.tasks, self.output)
                if known.alive or not known.began:
                    follower.add(known)
                else:
                    ended.append(known)
                    self._take_over(known)
            if not follower.step():
                self.project.backend.wait(_PAUSE)
        self.summary.verdicts.update(follower.verdicts)
        known_now = [*ended, *follower.known]
        self._unbegun = {task for item in known_now if not item.began for task in item.tasks}
        return known_now

    def _find_unticked(self, known: Sequence[Attempt], plan: Plan) -> None:
        """Find tasks that the remote's tasks.md does not list; they cannot be ticked there."""
        published = self.project.published() or frozenset()
        lines = {item.task.id: item.task.line for item in plan.items}
        for task in (task for item in known for task in item.tasks if task in lines):
            judged = self.summary.verdicts.get(task)
            if judged is None or not judged.outcome.is_success or task in self.summary.conflicts:
                continue
            if task not in published:
                self.summary.unticked.append(task)
                self.output.emit(
                    WarningEvent(
                        code="not_ticked",
                        message="It is merged, but tasks.md on the remote does not list it.",
                        hint="`sdlc-runner publish`, then `sdlc-runner run` ticks it.",
                        line=lines[task],
                    ),
                    AttemptKey(self.project.feature.name, task, 0),
                )

    def _take_over(self, known: Attempt) -> None:
        """Count an attempt that had ended before this run looked."""
        for verdict in known.decide():
            self.summary.verdicts[verdict.task] = verdict
            emit_outcome(self.project, known, verdict, self.output)

    def _candidates(self, known: Sequence[Attempt], plan: Plan) -> list[merger.Candidate]:
        order = [item.task.id for item in plan.items]
        tasks = {task for item in known for task in item.tasks}
        judged = [self.summary.verdicts[task] for task in tasks if task in self.summary.verdicts]
        return merger.candidates(known, judged, order)

    def _halted(self, plan: Plan) -> str:
        """Spec-kit halts when a task fails that is not [P]."""
        failed = set(self._failed())
        culprit = next(
            (item.task for item in plan.items if item.task.id in failed and not item.task.parallel),
            None,
        )
        return (
            f"halted: {culprit.id} (line {culprit.line}) is not [P] and failed" if culprit else ""
        )


def run(project: Project, request: Request, output: Output) -> ExitCode:
    """Do the whole way."""
    return Run(project, request, output).go()
