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

if TYPE_CHECKING:
    from sdlc_runner.operations.following import Patience
    from sdlc_runner.output import Output
    from sdlc_runner.project import Project

_LOOK_SECONDS = 1.0
_LINGER_SECONDS = 5.0
_PAUSE = 0.1


def watch(project: Project, output: Output, patience: Patience) -> ExitCode:
    """Follow what runs until nothing has run for some seconds."""
    follower = Follower(project, output)
    began = looked = busy = time.monotonic()
    _add_new(project, follower)
    while time.monotonic() - busy < _LINGER_SECONDS:
        if time.monotonic() - looked >= _LOOK_SECONDS:
            looked = time.monotonic()
            _add_new(project, follower)
        if patience.seconds and time.monotonic() - began >= patience.seconds and follower.running:
            return _stop(project, follower, output)
        if follower.running:
            busy = time.monotonic()
        if not follower.step():
            time.sleep(_PAUSE)
    judged = follower.judgements.values()
    bad = sum(not item.outcome.is_success for item in judged)
    code = ExitCode.TASK_FAILED if bad else ExitCode.OK
    output.tell(
        EventType.SUMMARY,
        verb="watch",
        verdict=f"{len(judged)} tasks ended, {bad} without success; nothing runs.",
        ok=not bad,
        exit=int(code),
    )
    return code


def _stop(project: Project, follower: Follower, output: Output) -> ExitCode:
    output.tell(
        EventType.CONTINUE,
        AttemptKey(project.feature.name, "", 0),
        cursor=follower.cursor(),
        hint="The attempts go on: `sdlc-runner watch`.",
    )
    return ExitCode.TIME_LIMIT


def _add_new(project: Project, follower: Follower) -> None:
    """Find attempts that began to run since the last look; the backend knows them first."""
    followed = {known.key for known in follower.known}
    for sighting in project.backend.sightings(project.feature.name, project.url):
        key = sighting.spec.key
        if key not in followed and project.backend.is_alive(sighting):
            evidence = Evidence(naming.AttemptRefs.of(key))
            ending = project.backend.ending(sighting)
            follower.add(KnownAttempt(key, sighting.spec.task_ids, evidence, sighting, ending))
