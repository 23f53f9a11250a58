"""Following one Job: its states as events, its runner's log, and when to give up on waiting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sdlc_runner.backends.base import TailUpdate
from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.backends.kubernetes.job_spec import RUNNER
from sdlc_runner.backends.kubernetes.job_state import JobPhase, JobState
from sdlc_runner.backends.kubernetes.pod_log import PodLog
from sdlc_runner.backends.kubernetes.start_timeout import StartTimeout
from sdlc_runner.errors import RunnerError
from sdlc_runner.events.types import EventBody, PhaseEvent, QueuedEvent, WarningEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdlc_runner.backends.base import AttemptStatus
    from sdlc_runner.backends.kubernetes.api import KubeApi
    from sdlc_runner.backends.kubernetes.feature_watch import FeatureWatch
    from sdlc_runner.backends.kubernetes.job_spec import Clocks
    from sdlc_runner.backends.kubernetes.pending_reasons import PendingReason

_LEAST_SILENCE = 60.0
_BEATS = 3
_OUTAGE_SECONDS = 10.0
_GONE_TWICE = 2.0


class JobTail:
    """What is new of one Job since the last update; ``give_up`` ends it, and says why."""

    def __init__(
        self,
        status: AttemptStatus,
        api: KubeApi,
        observer: FeatureWatch,
        clocks: Clocks,
        give_up: Callable[[AttemptStatus, PendingReason], None],
    ) -> None:
        self._status = status
        self._api = api
        self._observer = observer
        self._give_up = give_up
        self._log: PodLog | None = None
        self._shown: tuple[object, ...] = ()
        self._finishing = False
        self._gave_up = False
        self._patience = StartTimeout(clocks, api.clock)
        self._out = False
        self._gone_since: float | None = None

    def poll_log(self) -> TailUpdate:
        """Return what is new, without waiting."""
        try:
            state = self._observer.state(self._status.id)
            if state is None:
                return TailUpdate(notices=tuple(self._outage()))
            return self._update(state)
        except ApiError as error:
            doing = "The cluster cannot be followed any more; the attempts go on"
            raise error.to_error(doing) from None

    def _update(self, state: JobState) -> TailUpdate:
        notices = [*self._outage(), *self._moved(state), *self._wait(state)]
        if state.ran:
            self._open_log(state.pod)
        if state.stage in {JobPhase.ENDED, JobPhase.GONE}:
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
        self._log = PodLog(self._api, pod, RUNNER, silence, self._observer.wake)

    def _ended(self, state: JobState, notices: list[EventBody]) -> TailUpdate:
        """Read the rest of the log; a Job that is not to be seen may only be new."""
        if state.stage is JobPhase.GONE and self._log is None and not self._is_surely_gone():
            return TailUpdate(notices=tuple(notices))
        if self._log is None:
            return TailUpdate(notices=tuple(notices), over=True)
        if not self._finishing:
            self._finishing = True
            self._log.finish()
        log, over = self._log.take()
        return TailUpdate(log, tuple(notices), over=over)

    def _is_surely_gone(self) -> bool:
        """Whether the watch has had the time to bring a Job that was made just now."""
        now = time.monotonic()
        self._gone_since = self._gone_since or now
        return now - self._gone_since > _GONE_TWICE

    def _outage(self) -> list[EventBody]:
        """Tell once that the cluster does not answer, and once that it does again."""
        out = self._observer.outage > _OUTAGE_SECONDS
        if out == self._out:
            return []
        self._out = out
        text = "does not answer; the attempt goes on" if out else "answers again"
        return [_warning("cluster_unreachable", f"The cluster {text}.", "")]

    def _moved(self, state: JobState) -> list[EventBody]:
        """Tell where it is, once for each change; nothing is waited for once it has run."""
        trouble = state.trouble
        shown = (state.stage, trouble.code if trouble else state.detail)
        over = state.stage in {JobPhase.ENDED, JobPhase.GONE}
        if shown == self._shown or over or (self._log and state.stage is not JobPhase.RUNNING):
            return []
        if self._gave_up or (state.ending.cancelled and state.stage is not JobPhase.RUNNING):
            return []
        before, self._shown = self._shown[:1], shown
        notices: list[EventBody] = []
        if state.stage is JobPhase.QUEUED:
            reason = trouble.message if trouble else state.detail or "it is queued"
            notices.append(QueuedEvent(reason=reason))
        elif state.stage.phase and before != (state.stage,):
            phase = PhaseEvent(phase=state.stage.phase, detail=state.detail or None)
            notices.append(phase)
        if trouble is not None and state.stage is not JobPhase.QUEUED:
            notices.append(_warning(trouble.code, trouble.message, trouble.hint))
        return notices

    def _wait(self, state: JobState) -> list[EventBody]:
        """Give an attempt up when the clock that runs for it has run out."""
        why = None if self._gave_up or self._log else self._patience.is_over(state)
        if why is None:
            return []
        self._gave_up = True
        try:
            self._give_up(self._status, why)
        except RunnerError as error:  # who may only look on goes on looking
            return [_warning("not_given_up", error.message, error.hint)]
        return []

    def close(self) -> None:
        """Read no more of the log."""
        if self._log is not None:
            self._log.close()


def _warning(code: str, message: str, hint: str) -> WarningEvent:
    return WarningEvent(code=code, message=message, hint=hint or None)
