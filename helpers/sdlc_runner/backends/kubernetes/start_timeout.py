"""When to give up on an attempt that does not begin: by the cluster's clock, whoever looks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sdlc_runner.backends.kubernetes.pending_reasons import PendingReason, TimeoutKind

if TYPE_CHECKING:
    from sdlc_runner.backends.kubernetes.job_spec import Clocks
    from sdlc_runner.backends.kubernetes.job_state import JobState
    from sdlc_runner.backends.kubernetes.server_clock import ServerClock


class StartTimeout:
    """One attempt's; where the cluster does not say since when it waits, the first look counts."""

    def __init__(self, clocks: Clocks, clock: ServerClock) -> None:
        self._clocks = clocks
        self._clock = clock
        self._seen: dict[object, float] = {}

    def is_over(self, state: JobState) -> PendingReason | None:
        """Return why the attempt has to be given up now, if it has."""
        what = state.trouble.code if state.trouble else state.clock
        seen = self._seen.setdefault(what, time.monotonic())
        most = state.clock.seconds(self._clocks)
        now = self._clock.now()
        if state.since is None or now is None:
            waited = time.monotonic() - seen
        else:
            waited = now - state.since
        return (state.trouble or _slow(state)) if 0 < most <= waited else None


def _slow(state: JobState) -> PendingReason:
    if state.clock is TimeoutKind.QUEUE:
        text = f"It waited for too long: {state.detail or 'it is queued'}."
        return PendingReason(
            "queued_too_long", text, "Raise limits.queue_seconds.", TimeoutKind.QUEUE
        )
    text = f"Its pod did not get to run in time; it was {state.stage.value}."
    return PendingReason("pending_too_long", text, "Raise limits.start_seconds.", TimeoutKind.START)
