"""What one ``run`` has come to: the table for people, the verdict line for machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner.errors import ExitCode
from sdlc_runner.events.types import Outcome, SummaryEvent
from sdlc_runner.output.render import counted
from sdlc_runner.plan.planner import Disposition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.output.output import Output
    from sdlc_runner.plan.planner import Plan, PlanItem
    from sdlc_runner.verify.verdict import Verdict

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
            told = {*failed, *self.unticked}
            tasks = [task for task in _of(plan, disposition) if task not in told]
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
