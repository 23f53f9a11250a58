"""``run`` and ``spawn``: from the plan to merged work, wave after wave."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, ExitCode, UsageError
from sdlc_runner.events import AttemptKey, EventType, Outcome
from sdlc_runner.operations import attempts, merging, planning, spawning
from sdlc_runner.operations.following import Follower, Patience, tell_outcome
from sdlc_runner.plan import Disposition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.operations.attempts import KnownAttempt
    from sdlc_runner.operations.planning import Request
    from sdlc_runner.operations.spawning import Ground
    from sdlc_runner.outcome import Judgement
    from sdlc_runner.output import Output
    from sdlc_runner.plan import Plan, PlanItem, Unit
    from sdlc_runner.project import Project

_BEGIN_TRIES = 3  # starts of one attempt whose agent never began
_PAUSE = 0.05


@dataclass
class Run:
    """One ``run``: what has ended so far, and how."""

    project: Project
    request: Request
    output: Output
    judgements: dict[str, Judgement] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    ticked: list[str] = field(default_factory=list)
    _begun: Counter[str] = field(default_factory=Counter)

    def go(self) -> ExitCode:
        """Go on until nothing more can run, or spec-kit's rule says halt."""
        while True:
            ground = spawning.survey(self.project)
            plan = self._plan()
            if not plan.waves:
                return self._summarize(plan)
            known = self._work(ground, plan.waves[0])
            done = merging.integrate(self.project, self._candidates(known, plan), self.output)
            self.ticked += done.ticked
            self.conflicts += done.conflicts
            halted = self._halted(plan)
            if halted:
                return self._summarize(self._plan(), halted)

    def _plan(self) -> Plan:
        request = replace(self.request, failed=frozenset(self._failed()))
        return planning.make(self.project, request)[0]

    def _failed(self) -> list[str]:
        bad = [task for task, item in self.judgements.items() if not item.outcome.is_success]
        again = {task for task in bad if self._may_begin_again(task)}
        return [task for task in bad if task not in again] + self.conflicts

    def _may_begin_again(self, task: str) -> bool:
        """Whether its agent never began, and it was not started too often yet."""
        never_began = self.judgements[task].code == "ended_before_start"
        return never_began and self._begun[task] < _BEGIN_TRIES

    def _work(self, ground: Ground, wave: Sequence[Unit]) -> list[KnownAttempt]:
        """Run a wave, at most ``max_parallel`` attempts at once; return its attempts."""
        follower = Follower(self.project, self.output)
        waiting, ended = list(wave), []
        while waiting or follower.running:
            while waiting and follower.running < self.project.settings.max_parallel:
                unit = waiting.pop(0)
                self._begun.update(task.id for task in unit.tasks)
                known = spawning.start(self.project, ground, unit.tasks, self.output)
                if known.alive or not known.began:
                    follower.add(known)
                else:
                    ended.append(known)
                    self._take_over(known)
            if not follower.step():
                time.sleep(_PAUSE)
        self.judgements.update(follower.judgements)
        return [*ended, *follower.known]

    def _take_over(self, known: KnownAttempt) -> None:
        """Count an attempt that had ended before this run looked."""
        for judgement in known.judge():
            self.judgements[judgement.task] = judgement
            tell_outcome(known, judgement, self.output)

    def _candidates(self, known: Sequence[KnownAttempt], plan: Plan) -> list[merging.Candidate]:
        order = [item.task.id for item in plan.items]
        tasks = {task for item in known for task in item.tasks}
        judged = [self.judgements[task] for task in tasks if task in self.judgements]
        return merging.candidates(known, judged, order)

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

    def _summarize(self, plan: Plan, halted: str = "") -> ExitCode:
        failed = self._failed()
        self.output.table(self._rows(plan))
        code = ExitCode.TASK_FAILED if failed or plan.problems else ExitCode.OK
        counts = Counter(item.outcome.value for item in self.judgements.values())
        counts["ticked"] = len(self.ticked)
        counts["conflict"] = len(self.conflicts)
        waiting = [item for item in plan.items if item.disposition is Disposition.SYNC]
        self.output.tell(
            EventType.SUMMARY,
            verb="run",
            verdict=_verdict(self.ticked, failed, halted, waiting),
            ok=code is ExitCode.OK,
            exit=int(code),
            counts=dict(counts),
            next=_next(failed, plan),
        )
        return code

    def _rows(self, plan: Plan) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for item in plan.items:
            judged = self.judgements.get(item.task.id)
            if item.task.id in self.conflicts:
                ended, why = Outcome.CONFLICT.value, "left whole on its branch; SYNC work now"
            elif judged is not None:
                ended, why = judged.outcome.value, judged.message
            elif item.disposition is Disposition.DONE:
                continue
            else:
                ended, why = item.disposition.value, item.reason
            rows.append((item.task.id, ended, f"line {item.task.line}", why))
        return rows


def _verdict(
    ticked: Sequence[str], failed: Sequence[str], halted: str, waiting: Sequence[PlanItem]
) -> str:
    parts = [f"{len(ticked)} verified, merged and ticked" if ticked else "nothing merged"]
    if failed:
        parts.append(f"{len(failed)} failed, now SYNC work: {', '.join(failed)}")
    if halted:
        parts.append(halted)
    if waiting:
        parts.append(f"{len(waiting)} SYNC tasks are yours: {_first(waiting)}")
    return "; ".join(parts) + "."


def _first(items: Sequence[PlanItem]) -> str:
    shown = ", ".join(item.task.id for item in items[:5])
    return shown + (", …" if len(items) > 5 else "")  # noqa: PLR2004 - what fits a line


def _next(failed: Sequence[str], plan: Plan) -> str | None:
    if failed:
        return f"sdlc-runner logs {failed[0]}"
    if any("publish" in item.reason for item in plan.items):
        return "sdlc-runner publish"
    return None


def run(project: Project, request: Request, output: Output) -> ExitCode:
    """Do the whole way."""
    return Run(project, request, output).go()


def spawn(project: Project, words: Sequence[str], output: Output) -> list[KnownAttempt]:
    """Start the named tasks, or re-attach; all are checked before any is started."""
    ground = spawning.survey(project)
    newest = attempts.latest(ground.known)
    plan, task_file = planning.make(project, planning.Request(tuple(words)))
    wanted = planning.named(words, task_file)
    fresh = [task for task in wanted if task not in newest]
    items = {item.task.id: item for item in plan.items}
    for task in fresh:
        _require_ready(items[task])
    units = [unit for unit in (plan.waves[0] if plan.waves else ()) if _is_fresh(unit, fresh)]
    old = list({newest[task].key: newest[task] for task in wanted if task in newest}.values())
    started = [spawning.start(project, ground, unit.tasks, output) for unit in units]
    again = [spawning.resume(project, ground, known, output) for known in old]
    return [*started, *again]


def _is_fresh(unit: Unit, fresh: Sequence[str]) -> bool:
    return any(task.id in fresh for task in unit.tasks)


def _require_ready(item: PlanItem) -> None:
    task = item.task
    where = f"{task.id} (line {task.line})"
    match item.disposition:
        case Disposition.READY:
            return
        case Disposition.DONE:
            raise UsageError(Code.TASK_DONE, f"{where} is done: its box is ticked.", line=task.line)
        case Disposition.SYNC:
            raise UsageError(
                Code.TASK_NOT_ASYNC,
                f"{where} is not marked [ASYNC]: it is yours to do.",
                "Mark it [ASYNC] in tasks.md if an agent shall do it.",
                line=task.line,
            )
        case _:
            raise UsageError(
                Code.TASK_NOT_READY,
                f"{where} is {item.disposition.value}: {item.reason}",
                "`sdlc-runner plan` shows all.",
                line=task.line,
            )


def spawn_and_follow(
    project: Project, words: Sequence[str], output: Output, *, follow: bool, patience: Patience
) -> ExitCode:
    """Spawn; with ``follow`` stay until the remote has told how it ended."""
    started = spawn(project, words, output)
    if not follow:
        for known in started:
            if known.began and not known.alive:
                for judgement in known.judge():
                    tell_outcome(known, judgement, output)
        return ExitCode.OK
    return follow_all(project, started, output, patience)


def follow_all(
    project: Project,
    known: Sequence[KnownAttempt],
    output: Output,
    patience: Patience,
    positions: attempts.Positions | None = None,
) -> ExitCode:
    """Follow attempts to their outcomes; a ``continue`` event when patience ends first."""
    follower = Follower(project, output, positions)
    for item in known:
        follower.add(item)
    if not follower.run(patience):
        output.tell(
            EventType.CONTINUE,
            AttemptKey(project.feature.name, "", 0),
            cursor=follower.cursor(),
            hint="The attempts go on; the same command with this --cursor continues.",
        )
        return ExitCode.TIME_LIMIT
    bad = [item for item in follower.judgements.values() if not item.outcome.is_success]
    return ExitCode.TASK_FAILED if bad else ExitCode.OK
