"""``merge``: puts verified work into the feature branch and ticks its boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.errors import ExitCode
from sdlc_runner.events.types import Outcome, SummaryEvent
from sdlc_runner.orchestrator import launcher, merger, registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.commands.call import Call
    from sdlc_runner.orchestrator.merger import Integration
    from sdlc_runner.output.output import Output
    from sdlc_runner.verify.verdict import Verdict


def run(call: Call) -> ExitCode:
    """Merge the named tasks, or everything that is verified."""
    project, words = call.open(), call.args.tasks
    refs, found = registry.list_attempts(project)
    launcher.refuse_default_branch(project, refs)
    merger.fetch_base(project)
    newest = registry.latest(found)
    for task in words:
        registry.require(project, newest, task)
    tasks = [registry.canonical(task, newest) for task in words] or newest
    wanted, verdicts = merger.mergeable(project, newest, tasks)
    return _summarize(merger.integrate(project, wanted, call.output), verdicts, call.output)


def _summarize(done: Integration, verdicts: Sequence[Verdict], output: Output) -> ExitCode:
    left = [item.task for item in verdicts if not item.outcome.is_success]
    code = ExitCode.TASK_FAILED if done.conflicts or done.unticked or left else ExitCode.OK
    parts = [f"{len(done.ticked)} merged and ticked"]
    if done.conflicts:
        parts.append(f"{len(done.conflicts)} in conflict: {', '.join(done.conflicts)}")
    if done.unticked:
        parts.append(f"{len(done.unticked)} merged but not ticked: {', '.join(done.unticked)}")
    if left:
        parts.append(f"{len(left)} not verified: {', '.join(left)}")
    output.emit(
        SummaryEvent(
            verb="merge",
            verdict="; ".join(parts) + ".",
            ok=code is ExitCode.OK,
            exit=int(code),
            counts={"ticked": len(done.ticked), Outcome.CONFLICT.value: len(done.conflicts)},
            next=f"sdlc-runner retry {next(iter(done.conflicts))}" if done.conflicts else None,
        )
    )
    return code
