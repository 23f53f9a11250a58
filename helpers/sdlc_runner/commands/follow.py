"""``follow``: prints attempts' events until their outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.errors import ExitCode
from sdlc_runner.events.codec import AttemptKey
from sdlc_runner.events.types import ContinueEvent
from sdlc_runner.orchestrator import registry
from sdlc_runner.orchestrator.follower import Follower, read_positions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sdlc_runner.commands.call import Call
    from sdlc_runner.orchestrator.follower import FollowLimits
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output


def run(call: Call) -> ExitCode:
    """Follow the named tasks' newest attempts, the one in a pod, or all that run."""
    args, output = call.args, call.output
    positions = read_positions(args.cursor, output)
    project, tasks = call.open_pod(args.pod) if args.pod else (call.open(), args.tasks)
    known = registry.newest(project, tasks)
    if not tasks:
        known = [item for item in known if item.alive]
        if not known:
            output.note("Nothing is running.")
    return follow_all(project, known, output, call.limits, positions)


def follow_all(
    project: Project,
    known: Sequence[Attempt],
    output: Output,
    limits: FollowLimits,
    positions: registry.Positions | None = None,
) -> ExitCode:
    """Follow attempts to their outcomes; a ``continue`` event when a limit is reached first."""
    follower = Follower(project, output, positions, limits)
    return to_the_end(project, follower, lambda _: [], known, output)


def to_the_end(
    project: Project,
    follower: Follower,
    again: Callable[[Follower], list[Attempt]],
    known: Sequence[Attempt],
    output: Output,
) -> ExitCode:
    """Follow ``known`` and then what ``again`` starts in their place, until it starts nothing."""
    while known:
        for item in known:
            follower.add(item)
        if not follower.run():
            emit_continue(project, follower, output)
            return ExitCode.TIME_LIMIT
        known = again(follower)
    bad = [item for item in follower.verdicts.values() if not item.outcome.is_success]
    return ExitCode.TASK_FAILED if bad else ExitCode.OK


def emit_continue(project: Project, follower: Follower, output: Output) -> None:
    """Say how to go on after what was shown."""
    cursor = follower.cursor()
    named = dict.fromkeys(item.key.task for item in follower.known)
    words = ["sdlc-runner follow", *named, *(["--cursor", cursor] if cursor else [])]
    output.emit(
        ContinueEvent(cursor=cursor, hint=f"Attempts go on. To continue here: `{' '.join(words)}`"),
        AttemptKey(project.feature.name, "", 0),
    )
