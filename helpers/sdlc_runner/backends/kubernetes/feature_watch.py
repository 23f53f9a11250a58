"""Where the attempts of one feature are, kept up to date by three mirrors: Jobs, pods, events."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from sdlc_runner.backends.kubernetes.informer import Informer
from sdlc_runner.backends.kubernetes.job_state import JobPhase, JobState, has_ended
from sdlc_runner.backends.kubernetes.jobs import found, selector
from sdlc_runner.backends.kubernetes.ownership import states

if TYPE_CHECKING:
    from sdlc_runner.backends.kubernetes.api import KubeApi
    from sdlc_runner.backends.kubernetes.jobs import Found

# What comes together is read together: in a flood, for some times as long as reading takes.
_SHORTEST_GATHERING, _LONGEST_GATHERING = 0.003, 0.06
_GATHERINGS = 10


class FeatureWatch:
    """Watches one feature's Jobs; whoever waits is woken by every change, and by ``wake``."""

    def __init__(self, api: KubeApi, scope: str) -> None:
        query = selector(scope)
        self._woken = threading.Condition()
        self._wakes = self._heeded = 0
        self._waited = time.monotonic()
        self._changes, self._seen = 0, -1
        self._states: dict[str, JobState] = {}
        self._jobs = Informer(api, "jobs", query, self._change)
        self._pods = Informer(api, "pods", query, self._change)
        self._events = Informer(api, "events", {}, self._change)

    def _change(self) -> None:
        with self._woken:
            self._changes += 1
        self.wake()

    def wake(self) -> None:
        """Wake whoever waits."""
        with self._woken:
            self._wakes += 1
            self._woken.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until something has happened since the last wait, at most so long."""
        busy = time.monotonic() - self._waited
        with self._woken:
            woken = self._woken.wait_for(lambda: self._wakes != self._heeded, seconds)
            self._heeded = self._wakes
        if woken:
            time.sleep(min(max(_GATHERINGS * busy, _SHORTEST_GATHERING), _LONGEST_GATHERING))
        self._waited = time.monotonic()

    @property
    def outage(self) -> float:
        """For how many seconds the cluster has not answered."""
        return max(self._jobs.outage, self._pods.outage)

    def state(self, uid: str) -> JobState | None:
        """Return where the attempt of a Job's uid is; None: not known yet.

        Raises ``ApiError`` after a long outage. What cannot be read of the namespace's events is
        done without.
        """
        changes = self._changes
        jobs, pods = self._jobs.objects(), self._pods.objects()
        if not (self._jobs.synced and self._pods.synced):
            return None
        if self._seen != changes:
            ended = [pod for pod in self._pods.past() if has_ended(pod)]
            self._states = states(jobs, [*ended, *pods], self._events.newest())
            self._seen = changes
        return self._states.get(uid, JobState(JobPhase.GONE))

    def attempts(self) -> list[Found] | None:
        """Return the attempts that there are; None: not known yet; raises as ``state`` does."""
        jobs, pods = self._jobs.objects(), self._pods.objects()
        return found(jobs, pods) if self._jobs.synced and self._pods.synced else None

    def stop(self) -> None:
        """Watch no more."""
        for mirror in (self._jobs, self._pods, self._events):
            mirror.stop()
