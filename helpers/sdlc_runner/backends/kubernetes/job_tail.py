"""Following one Job: its states as events, its runner's log, and when to give up on waiting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sdlc_runner.backends.base import TailUpdate
from sdlc_runner.backends.kubernetes.errors import api_errors
from sdlc_runner.backends.kubernetes.job_spec import RUNNER
from sdlc_runner.backends.kubernetes.job_state import JobPhase, JobState
from sdlc_runner.backends.kubernetes.pod_log import PodLog
from sdlc_runner.backends.kubernetes.reasons import PendingReason, TimeoutKind
from sdlc_runner.errors import RunnerError
from sdlc_runner.events.types import EventBody, PhaseEvent, QueuedEvent, WarningEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdlc_runner.backends.base import AttemptStatus
    from sdlc_runner.backends.kubernetes.api import KubeApi, ServerClock
    from sdlc_runner.backends.kubernetes.informer import FeatureWatch
    from sdlc_runner.backends.kubernetes.job_spec import Clocks

_LEAST_SILENCE = 60.0
_BEATS = 3
_OUTAGE_SECONDS = 10.0
_GONE_TWICE = 2.0


class JobTail:
    """What is new of one Job since the last update; ``give_up`` ends it with a reason."""

    def __init__(
        self,
        status: AttemptStatus,
        api: KubeApi,
        watch: FeatureWatch,
        clocks: Clocks,
        give_up: Callable[[AttemptStatus, PendingReason], None],
    ) -> None:
        self._status = status
        self._api = api
        self._watch = watch
        self._give_up = give_up
        self._log: PodLog | None = None
        self._shown: tuple[object, ...] = ()
        self._finishing = False
        self._gave_up = False
        self._timeout = StartTimeout(clocks, api.clock)
        self._out = False
        self._gone_since: float | None = None

    def poll_log(self) -> TailUpdate:
        """Return what is new, without waiting."""
        with api_errors("Cannot follow the cluster any more; the attempts go on"):
            state = self._watch.state(self._status.id)
            if state is None:
                return TailUpdate(notices=tuple(self._outage()))
            return self._update(state)

    def _update(self, state: JobState) -> TailUpdate:
        notices = [*self._outage(), *self._moved(state), *self._wait(state)]
        if state.ran:
            self._open_log(state.pod)
        if state.is_over:
            return self._ended(state, notices)
        log = self._log.take()[0] if self._log else b""
        return TailUpdate(log, tuple(notices))

    def _open_log(self, pod: str) -> None:
        """Read the log of the pod that there is now; it may have taken another's place."""
        if self._log is not None:
            if self._log.pod == pod:
                return
            self._log.close()
        self._finishing = False
        silence = max(_LEAST_SILENCE, _BEATS * self._status.spec.heartbeat.seconds)
        self._log = PodLog(self._api, pod, RUNNER, silence, self._watch.wake)

    def _ended(self, state: JobState, notices: list[EventBody]) -> TailUpdate:
        """Read the rest of the log; a Job that is missing may only be new."""
        if state.phase is JobPhase.GONE and self._log is None and not self._is_surely_gone():
            return TailUpdate(notices=tuple(notices))
        if self._log is None:
            return TailUpdate(notices=tuple(notices), over=True)
        if not self._finishing:
            self._finishing = True
            self._log.finish()
        log, over = self._log.take()
        return TailUpdate(log, tuple(notices), over=over)

    def _is_surely_gone(self) -> bool:
        """Whether the watch has had time to show a Job that was created just now."""
        now = time.monotonic()
        self._gone_since = self._gone_since or now
        return now - self._gone_since > _GONE_TWICE

    def _outage(self) -> list[EventBody]:
        """Report once that the cluster does not answer, and once that it does again."""
        out = self._watch.outage > _OUTAGE_SECONDS
        if out == self._out:
            return []
        self._out = out
        text = "does not answer; the attempt goes on" if out else "answers again"
        return [_warning("cluster_unreachable", f"The cluster {text}.", "")]

    def _moved(self, state: JobState) -> list[EventBody]:
        """Report where it is, once for each change; nothing is waited for once it has run."""
        reason = state.reason
        shown = (state.phase, reason.code if reason else state.detail)
        if (
            shown == self._shown
            or state.is_over
            or (self._log and state.phase is not JobPhase.RUNNING)
        ):
            return []
        if self._gave_up or (state.ending.cancelled and state.phase is not JobPhase.RUNNING):
            return []
        before, self._shown = self._shown[:1], shown
        notices: list[EventBody] = []
        if state.phase is JobPhase.QUEUED:
            why = reason.message if reason else state.detail or "it is queued"
            notices.append(QueuedEvent(reason=why))
        elif state.phase.in_events and before != (state.phase,):
            phase = PhaseEvent(phase=state.phase.in_events, detail=state.detail or None)
            notices.append(phase)
        if reason is not None and state.phase is not JobPhase.QUEUED:
            notices.append(_warning(reason.code, reason.message, reason.hint))
        return notices

    def _wait(self, state: JobState) -> list[EventBody]:
        """Give an attempt up when the timeout that applies to it has passed."""
        why = None if self._gave_up or self._log else self._timeout.is_over(state)
        if why is None:
            return []
        self._gave_up = True
        try:
            self._give_up(self._status, why)
        except RunnerError as error:  # without the permission, keep following
            return [_warning("not_given_up", error.message, error.hint)]
        return []

    def close(self) -> None:
        """Read no more of the log."""
        if self._log is not None:
            self._log.close()


def _warning(code: str, message: str, hint: str) -> WarningEvent:
    return WarningEvent(code=code, message=message, hint=hint or None)


class StartTimeout:
    """When to give up on an attempt that does not begin, by the cluster's clock.

    Where the cluster does not say since when it waits, the first look counts.
    """

    def __init__(self, clocks: Clocks, clock: ServerClock) -> None:
        self._clocks = clocks
        self._clock = clock
        self._seen: dict[object, float] = {}

    def is_over(self, state: JobState) -> PendingReason | None:
        """Return why the attempt has to be given up now, if it has."""
        what = state.reason.code if state.reason else state.clock
        seen = self._seen.setdefault(what, time.monotonic())
        most = state.clock.seconds(self._clocks)
        now = self._clock.now()
        if state.since is None or now is None:
            waited = time.monotonic() - seen
        else:
            waited = now - state.since
        return (state.reason or _slow(state)) if 0 < most <= waited else None


def _slow(state: JobState) -> PendingReason:
    if state.clock is TimeoutKind.QUEUE:
        text = f"It was queued for too long: {state.detail or 'it is queued'}."
        return PendingReason(
            "queued_too_long", text, "Raise limits.queue_seconds.", TimeoutKind.QUEUE
        )
    text = f"Its pod did not start in time; it was {state.phase.value}."
    return PendingReason("pending_too_long", text, "Raise limits.start_seconds.", TimeoutKind.START)
