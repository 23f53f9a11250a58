"""``watch``: prints every running attempt of the feature in one stream, those that start later too.

Named tasks are waited for: a model may need a while to start them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sdlc_runner.attempt import naming
from sdlc_runner.errors import ExitCode
from sdlc_runner.events.codec import AttemptKey
from sdlc_runner.events.types import ContinueEvent, SummaryEvent
from sdlc_runner.orchestrator import planning, registry
from sdlc_runner.orchestrator.follower import Follower, read_positions
from sdlc_runner.orchestrator.registry import Attempt
from sdlc_runner.output.render import counted
from sdlc_runner.plan.planner import Disposition
from sdlc_runner.verify.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.commands.call import Call
    from sdlc_runner.orchestrator.follower import FollowLimits
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Positions
    from sdlc_runner.output.output import Output

_LOOK_SECONDS = 1.0
_LINGER_SECONDS = 5.0
_START_SECONDS = 120.0  # from a model's call of a subagent to that one's first own call
_PAUSE = 0.1


def run(call: Call) -> ExitCode:
    """Watch the named tasks, or all that runs."""
    positions = read_positions(call.args.cursor, call.output)
    return watch(call.open(), call.args.tasks, call.output, call.limits, positions)


def watch(
    project: Project,
    tasks: Sequence[str],
    output: Output,
    limits: FollowLimits,
    positions: Positions,
) -> ExitCode:
    """Follow what runs until nothing has run for some seconds, and named tasks to their end."""
    named = _startable(project, tasks) if tasks else frozenset()
    settled = _settled(project) if named else frozenset()
    follower = Follower(project, output, positions, limits)
    looked = busy = time.monotonic()
    _add_new(project, follower, named - settled, positions)
    while follower.running or time.monotonic() - busy < _lingers(follower, named, settled):
        if time.monotonic() - looked >= _LOOK_SECONDS:
            looked = time.monotonic()
            _add_new(project, follower, named - settled)
        if follower.is_over_limit:
            break
        ran, moved = follower.running, follower.step()
        if ran:
            busy = time.monotonic()  # a step may take long when there is much to print
        if not moved:
            project.backend.wait(_PAUSE)
    if follower.running:
        return _stop(project, follower, output)
    return _summarize(follower, output)


def _summarize(follower: Follower, output: Output) -> ExitCode:
    judged = follower.verdicts.values()
    bad = sum(not item.outcome.is_success for item in judged)
    code = ExitCode.TASK_FAILED if bad else ExitCode.OK
    output.emit(
        SummaryEvent(
            verb="watch",
            verdict=f"{_ended(len(judged), bad)}; nothing is running."
            if judged
            else "Nothing is running.",
            ok=not bad,
            exit=int(code),
        )
    )
    return code


def _startable(project: Project, words: Sequence[str]) -> frozenset[str]:
    """Return the named tasks that ``spawn`` would start."""
    items = planning.make(project, planning.Request())[0].items
    ready = frozenset(item.task.id for item in items if item.disposition is Disposition.READY)
    ids = [item.task.id for item in items]
    return ready & {registry.canonical(word, ids) for word in words}


def _settled(project: Project) -> frozenset[str]:
    """Return the tasks whose newest attempt has ended: that is reported where they are started."""
    newest = registry.latest(registry.list_attempts(project)[1])
    return frozenset(task for task, known in newest.items() if not known.alive)


def _lingers(follower: Follower, named: frozenset[str], settled: frozenset[str]) -> float:
    """Return how many seconds to wait while nothing runs: 0 once all named tasks have ended."""
    if not named:
        return _LINGER_SECONDS
    seen = {task for known in follower.known for task in known.tasks}
    return 0.0 if named <= seen | settled else _START_SECONDS


def _ended(count: int, bad: int) -> str:
    return (
        f"{counted(count, 'task')} ended, {f'{bad} without success' if bad else 'all successful'}"
    )


def _stop(project: Project, follower: Follower, output: Output) -> ExitCode:
    cursor = follower.cursor(ended=False)
    more = f" --cursor {cursor}" if cursor else ""
    output.emit(
        ContinueEvent(
            cursor=cursor, hint=f"Attempts go on. To continue here: `sdlc-runner watch{more}`"
        ),
        AttemptKey(project.feature.name, "", 0),
    )
    return ExitCode.TIME_LIMIT


def _add_new(
    project: Project,
    follower: Follower,
    wanted: frozenset[str],
    positions: Positions | None = None,
) -> None:
    """Find attempts that started since the last look; the backend knows them first.

    The end of one in ``positions`` is still to be printed: it was running when its consumer
    stopped. So is the end of a named task.
    """
    followed = {known.key for known in follower.known}
    statuses = project.backend.list_attempts(project.feature.name, project.url)
    numbers = [(task, item.spec.key.number) for item in statuses for task in item.spec.task_ids]
    newest = {task: number for task, number in sorted(numbers) if task in wanted}
    for status in statuses:
        key, ids = status.spec.key, status.spec.task_ids
        named = any(newest.get(task) == key.number for task in ids)
        due = named or str(key) in (positions or ()) or status.ending.alive
        if key not in followed and due:
            evidence = Evidence(naming.AttemptRefs.of(key))
            follower.add(Attempt(key, ids, evidence, status))
