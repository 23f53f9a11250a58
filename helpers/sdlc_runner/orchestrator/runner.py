"""``run`` and ``spawn``: from the plan to merged work, wave after wave."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner.events.codec import AttemptKey
from sdlc_runner.events.types import WarningEvent
from sdlc_runner.orchestrator import launcher, merger, planning
from sdlc_runner.orchestrator.follower import Follower, tell_outcome
from sdlc_runner.orchestrator.restart_policy import TRIES, is_infrastructure
from sdlc_runner.orchestrator.run_summary import RunSummary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.errors import ExitCode
    from sdlc_runner.orchestrator.launcher import LaunchContext
    from sdlc_runner.orchestrator.planning import Request
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.plan.planner import Plan, Unit

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
