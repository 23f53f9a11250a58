"""``run`` and ``spawn``: from the plan to merged work, wave after wave."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, ExitCode, UsageError
from sdlc_runner.events.codec import AttemptKey, EventType
from sdlc_runner.orchestrator import launcher, merger, planning, registry
from sdlc_runner.orchestrator.follower import Follower, FollowLimits, tell_outcome
from sdlc_runner.orchestrator.restart_policy import TRIES, RestartPolicy, is_infrastructure
from sdlc_runner.orchestrator.run_summary import RunSummary
from sdlc_runner.plan.planner import Disposition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sdlc_runner.orchestrator.launcher import LaunchContext
    from sdlc_runner.orchestrator.planning import Request
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.plan.planner import Plan, PlanItem, Unit
    from sdlc_runner.tasks.parser import Task, TaskFile

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
        told = False
        while True:
            context = launcher.prepare(self.project)
            plan = self._plan()
            if not told:
                planning.tell_problems(plan, self.output)
                told = True
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
                self.output.tell(
                    EventType.WARNING,
                    AttemptKey(self.project.feature.name, task, 0),
                    code="not_ticked",
                    message="It is merged, but tasks.md on the remote does not list it.",
                    hint="`sdlc-runner publish`, then `sdlc-runner run` ticks it.",
                    line=lines[task],
                )

    def _take_over(self, known: Attempt) -> None:
        """Count an attempt that had ended before this run looked."""
        for verdict in known.decide():
            self.summary.verdicts[verdict.task] = verdict
            tell_outcome(self.project, known, verdict, self.output)

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


def spawn(project: Project, words: Sequence[str], output: Output) -> list[Attempt]:
    """Start the named tasks, or re-attach; all are checked before any is started."""
    context = launcher.prepare(project)
    newest = registry.latest(context.known)
    ids = [task.id for task in project.load_tasks()[1].tasks]
    words = [registry.canonical(word, ids) for word in words]
    words = [*words, *_bundled(project, [word for word in words if word not in newest])]
    plan, task_file = planning.make(project, planning.Request(tuple(words)))
    wanted = planning.named(words, task_file)
    fresh = [task for task in wanted if task not in newest]
    items = {item.task.id: item for item in plan.items}
    for task in fresh:
        _require_ready(items[task])
    units = [unit for unit in (plan.waves[0] if plan.waves else ()) if _is_fresh(unit, fresh)]
    old = list({newest[task].key: newest[task] for task in wanted if task in newest}.values())
    started = launcher.start_new(project, context, [unit.tasks for unit in units], output)
    again = [
        launcher.resume(project, context, known, _tasks_of(known, task_file), output)
        for known in old
    ]
    return [*started, *again]


def _bundled(project: Project, fresh: Sequence[str]) -> list[str]:
    """Return what the plan has in one attempt with tasks that name their bundle."""
    items = planning.make(project, planning.Request())[0].items
    named = {item.bundle for item in items if item.task.id in fresh} & {*fresh}
    return [item.task.id for item in items if item.bundle in named and item.task.id not in fresh]


def _tasks_of(known: Attempt, task_file: TaskFile) -> list[Task]:
    return [task for task in task_file.tasks if task.id in known.tasks]


def _is_fresh(unit: Unit, fresh: Sequence[str]) -> bool:
    return any(task.id in fresh for task in unit.tasks)


def _require_ready(item: PlanItem) -> None:
    task = item.task
    where = f"{task.id} (line {task.line})"
    match item.disposition:
        case Disposition.READY:
            return
        case Disposition.DONE:
            raise UsageError(
                Code.TASK_DONE,
                f"{where} is done: its box is ticked.",
                "`sdlc-runner plan` shows what is open.",
                line=task.line,
            )
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
    project: Project, words: Sequence[str], output: Output, *, follow: bool, limits: FollowLimits
) -> ExitCode:
    """Spawn; with ``follow`` stay until the remote has told how it ended."""
    started = spawn(project, words, output)
    if follow:
        follower = Follower(project, output, limits=limits)
        return _follow(
            project, follower, RestartPolicy(project, output).of_unbegun, started, output
        )
    ended = [known for known in started if known.began and not known.alive]
    judged = [(known, verdict) for known in ended for verdict in known.decide()]
    for known, verdict in judged:
        tell_outcome(project, known, verdict, output)
    bad = any(not verdict.outcome.is_success for _, verdict in judged)
    return ExitCode.TASK_FAILED if bad else ExitCode.OK


def follow_all(
    project: Project,
    known: Sequence[Attempt],
    output: Output,
    limits: FollowLimits,
    positions: registry.Positions | None = None,
) -> ExitCode:
    """Follow attempts to their outcomes; a ``continue`` event when patience ends first."""
    follower = Follower(project, output, positions, limits)
    return _follow(project, follower, lambda _: [], known, output)


def _follow(
    project: Project,
    follower: Follower,
    again: Callable[[Follower], list[Attempt]],
    known: Sequence[Attempt],
    output: Output,
) -> ExitCode:
    while known:
        for item in known:
            follower.add(item)
        if not follower.run():
            tell_continue(project, follower, output)
            return ExitCode.TIME_LIMIT
        known = again(follower)
    bad = [item for item in follower.verdicts.values() if not item.outcome.is_success]
    return ExitCode.TASK_FAILED if bad else ExitCode.OK


def tell_continue(project: Project, follower: Follower, output: Output) -> None:
    """Say how to go on after what was shown."""
    cursor = follower.cursor()
    named = dict.fromkeys(item.key.task for item in follower.known)
    words = ["sdlc-runner follow", *named, *(["--cursor", cursor] if cursor else [])]
    output.tell(
        EventType.CONTINUE,
        AttemptKey(project.feature.name, "", 0),
        cursor=cursor,
        hint=f"What runs goes on: `{' '.join(words)}`",
    )
