"""Why an attempt does not begin, and for how long that is waited out: one table. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from sdlc_runner.ending import Cause
from sdlc_runner.events import clean
from sdlc_runner.words import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sdlc_runner.kube.manifest import Clocks

_TEXT = 300


class Clock(Enum):
    """Which clock runs while an attempt does not."""

    NONE = "none"
    AT_ONCE = "at once"
    GRACE = "grace"
    START = "start"
    QUEUE = "queue"

    def seconds(self, clocks: Clocks) -> float:
        """How long it allows; 0: no limit."""
        match self:
            case Clock.GRACE:
                return clocks.grace
            case Clock.START:
                return clocks.start
            case Clock.QUEUE:
                return clocks.queue
            case Clock.NONE:
                return 0
            case Clock.AT_ONCE:
                return 0.001


@dataclass(frozen=True)
class Trouble:
    """Why an attempt does not begin; ``code`` stays the same while it lasts."""

    code: str
    message: str
    hint: str
    clock: Clock

    def to_cause(self) -> Cause:
        """Return it as the reason why the attempt was given up."""
        return Cause(Outcome.REJECTED, self.code, self.message, self.hint)


_PULL = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError",
     "RegistryUnavailable", "SignatureValidationFailed"}
)  # fmt: skip
_CREATE = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError",
     "PreStartHookError", "PostStartHookError", "RunContainerError", "CrashLoopBackOff"}
)  # fmt: skip
_IMAGE_HINT = "Correct the image in the pod template's values, or load it into the nodes."


def of_creation(events: list[Mapping[str, Any]]) -> Trouble | None:
    """Why the Job controller cannot make the pod; it goes on trying."""
    failed = newest(events, "FailedCreate")
    if failed is None:
        return None
    text = said(failed.get("message"))
    if "exceeded quota" in text:
        hint = "It starts by itself as soon as there is room; `sdlc-runner cancel` gives it up."
        return Trouble(
            "quota_exceeded", f"The namespace's quota is used up: {text}", hint, Clock.QUEUE
        )
    hint = "Correct the pod template, or the policy that refuses it; `sdlc-runner doctor`."
    return Trouble("admission_refused", f"The cluster refuses the pod: {text}", hint, Clock.GRACE)


def of_waiting(reason: str, message: str) -> Trouble | None:
    """Why a container that waits does so, if that is more than a moment's matter."""
    text = f"{reason}: {message}" if message else reason
    if reason == "InvalidImageName":
        return Trouble("image_name_invalid", text, _IMAGE_HINT, Clock.AT_ONCE)
    if reason in _PULL:
        return Trouble("image_pull_failed", text, _IMAGE_HINT, Clock.GRACE)
    if reason in _CREATE:
        hint = "Correct the pod template, or the Secret or ConfigMap that it names."
        return Trouble("container_not_created", text, hint, Clock.GRACE)
    return None


def newest(events: Iterable[Mapping[str, Any]], reason: str) -> Mapping[str, Any] | None:
    """Return the newest event with a reason."""
    found = [event for event in events if event.get("reason") == reason]
    return max(found, key=_time_of, default=None)


def _time_of(event: Mapping[str, Any]) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((item for item in times if item), ""))


def said(value: object) -> str:
    """Clean a sentence of the cluster's."""
    return clean(re.sub(r"\s+", " ", str(value or "")), _TEXT)
