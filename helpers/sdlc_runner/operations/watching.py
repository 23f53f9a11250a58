"""``watch``: every running attempt of the feature in one stream, those that start later too."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sdlc_runner import naming
from sdlc_runner.errors import ExitCode
from sdlc_runner.events import AttemptKey, EventType
from sdlc_runner.operations.attempts import KnownAttempt
from sdlc_runner.operations.following import Follower
from sdlc_runner.remote import Evidence
from sdlc_runner.render import counted

if TYPE_CHECKING:
    from sdlc_runner.operations.attempts import Positions
    from sdlc_runner.operations.following import Patience
    from sdlc_runner.output import Output
    from sdlc_runner.project import Project

_LOOK_SECONDS = 1.0
_LINGER_SECONDS = 5.0
_PAUSE = 0.1


def watch(project: Project, output: Output, patience: Patience, positions: Positions) -> ExitCode:
    """Follow what runs until nothing has run for some seconds."""
    follower = Follower(project, output, positions, patience)
    looked = busy = time.monotonic()
    _add_new(project, follower, positions)
    while time.monotonic() - busy < _LINGER_SECONDS:
        if time.monotonic() - looked >= _LOOK_SECONDS:
            looked = time.monotonic()
            _add_new(project, follower)
        if follower.tired:
            break
        if follower.running:
            busy = time.monotonic()
        if not follower.step():
            project.backend.wait(_PAUSE)
    if follower.running:
        return _stop(project, follower, output)
    judged = follower.judgements.values()
    bad = sum(not item.outcome.is_success for item in judged)
    code = ExitCode.TASK_FAILED if bad else ExitCode.OK
    output.tell(
        EventType.SUMMARY,
        verb="watch",
        verdict=f"{_ended(len(judged), bad)}; nothing runs." if judged else "Nothing runs.",
        ok=not bad,
        exit=int(code),
    )
    return code


def _ended(count: int, bad: int) -> str:
    return f"{counted(count, 'task')} ended, {f'{bad} without success' if bad else 'all well'}"


def _stop(project: Project, follower: Follower, output: Output) -> ExitCode:
    cursor = follower.cursor(ended=False)
    more = f" --cursor {cursor}" if cursor else ""
    output.tell(
        EventType.CONTINUE,
        AttemptKey(project.feature.name, "", 0),
        cursor=cursor,
        hint=f"What runs goes on: `sdlc-runner watch{more}`",
    )
    return ExitCode.TIME_LIMIT


def _add_new(project: Project, follower: Follower, positions: Positions | None = None) -> None:
    """Find attempts that began to run since the last look; the backend knows them first.

    One that ``positions`` name was running when its consumer stopped: its end is still to be told.
    """
    followed = {known.key for known in follower.known}
    for sighting in project.backend.sightings(project.feature.name, project.url):
        key = sighting.spec.key
        wanted = str(key) in (positions or ()) or sighting.ending.alive
        if key not in followed and wanted:
            evidence = Evidence(naming.AttemptRefs.of(key))
            follower.add(KnownAttempt(key, sighting.spec.task_ids, evidence, sighting))
