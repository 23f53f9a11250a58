"""Why an attempt does not begin, and for how long that is waited out: one table. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from sdlc_runner.attempt.exit_state import TerminationCause
from sdlc_runner.backends.kubernetes.object_fields import (
    first_time,
    last_time,
    newest,
    said,
    terminated,
)
from sdlc_runner.events.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdlc_runner.backends.kubernetes.job_spec import Clocks

    Events = Sequence[Mapping[str, Any]]


class TimeoutKind(Enum):
    """Which clock runs while an attempt does not."""

    NONE = "none"
    AT_ONCE = "at once"
    GRACE = "grace"
    START = "start"
    QUEUE = "queue"

    def seconds(self, clocks: Clocks) -> float:
        """How long it allows; 0: no limit."""
        match self:
            case TimeoutKind.GRACE:
                return clocks.grace
            case TimeoutKind.START:
                return clocks.start
            case TimeoutKind.QUEUE:
                return clocks.queue
            case TimeoutKind.NONE:
                return 0
            case TimeoutKind.AT_ONCE:
                return 0.001


@dataclass(frozen=True)
class PendingReason:
    """What holds an attempt up; ``code`` stays the same while it lasts.

    ``since`` is when it began, in seconds of the epoch by the cluster's clock; None: not known.
    """

    code: str
    message: str
    hint: str
    clock: TimeoutKind
    since: float | None = None

    def to_cause(self) -> TerminationCause:
        """Return it as the reason why the attempt was given up."""
        return TerminationCause(Outcome.REJECTED, self.code, self.message, self.hint)


_PULL = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError",
     "RegistryUnavailable", "SignatureValidationFailed"}
)  # fmt: skip
_CREATE = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError",
     "PreStartHookError", "PostStartHookError", "RunContainerError"}
)  # fmt: skip
_TOLD_BY = ("Failed", "InspectFailed", "ErrImageNeverPull", "BackOff")
_MOUNT = ("FailedMount", "FailedAttachVolume")
_SYNCING = "cache: timed out waiting for the condition"  # the kubelet has not read the Secret yet
_LEAVING = "not registered"  # the kubelet has forgotten the pod already, and looks once more
_OFTEN = 3
_ABSENT = re.compile(r'secret "([a-z0-9.-]+)" not found')
_AFTER_MOUNTS = ("Pulling", "Pulled", "Created", "Started")
_IMAGE_HINT = "Correct the image in the pod template's values, or load it into the nodes."
_CREATE_HINT = "Correct the pod template, or the Secret or ConfigMap that it names."


def of_creation(events: Events) -> PendingReason | None:
    """Why the Job controller cannot make the pod; it goes on trying."""
    failed = newest(events, "FailedCreate")
    if failed is None or last_time(newest(events, "SuccessfulCreate")) >= last_time(failed):
        return None
    text = said(failed.get("message"))
    if _is_quota(failed):
        hint = "It starts when there is room; `sdlc-runner cancel TASK` gives it up."
        return PendingReason(
            "quota_exceeded", f"The namespace's quota is used up: {text}", hint, TimeoutKind.QUEUE
        )
    hint = "Correct the pod template, or the policy that refuses it; `sdlc-runner doctor`."
    refused = [event for event in events if event.get("reason") == "FailedCreate"]
    since = min(first_time(event) for event in refused if not _is_quota(event))
    message = f"The cluster refuses the pod: {text}"
    return PendingReason("admission_refused", message, hint, TimeoutKind.GRACE, since)


def _is_quota(event: Mapping[str, Any]) -> bool:
    """Whether the quota has no room now; one that can never take the pod says it otherwise."""
    return "exceeded quota" in str(event.get("message"))


def of_scheduling(condition: Mapping[str, Any]) -> PendingReason:
    """Why no node takes the pod: one may come, or another pod may go."""
    hint = "It starts when a node has room; `sdlc-runner cancel TASK` gives it up."
    text = f"No node takes it: {said(condition.get('message'))}"
    return PendingReason("unschedulable", text, hint, TimeoutKind.QUEUE)


def of_volumes(events: Events) -> PendingReason | None:
    """Why the pod's volumes or network are not there; only events tell."""
    after = last_time(newest(events, *_AFTER_MOUNTS))
    mounts = [item for item in events if item.get("reason") in _MOUNT and tells_cause(item)]
    mount = newest(mounts, *_MOUNT)
    if mount is not None and last_time(mount) > after:
        text = f"A volume cannot be mounted: {said(mount.get('message'))}"
        since = min(map(first_time, mounts))
        return PendingReason(
            "volume_not_mounted", text, _mount_hint(text), TimeoutKind.GRACE, since
        )
    sandbox = newest(events, "FailedCreatePodSandBox")
    if sandbox is not None and last_time(sandbox) > after:
        text = f"The node cannot set the pod up: {said(sandbox.get('message'))}"
        return PendingReason(
            "pod_not_set_up", text, "Look at the node and its network.", TimeoutKind.START
        )
    return None


def _mount_hint(text: str) -> str:
    """Name the Secret that is not there; the chart's ExternalSecrets have their Secrets' names."""
    absent = _ABSENT.search(text)
    if absent is None:
        return "Create the Secret with its keys (README of the chart), or wait until it is synced."
    return (
        f"Create the Secret {absent[1]} with its keys (README of the chart); if External Secrets"
        f" fetches it, `kubectl describe externalsecret {absent[1]}` says why it is not there."
    )


def tells_cause(event: Mapping[str, Any]) -> bool:
    """Whether a failed mount says why: not that of a pod that leaves, or of a node that is busy.

    A busy node says so once or twice, and then it has mounted it.
    """
    text = str(event.get("message"))
    busy = _SYNCING in text and int(event.get("count") or 1) < _OFTEN
    return not busy and not text.endswith(_LEAVING)


def of_waiting(status: Mapping[str, Any], events: Events) -> PendingReason | None:
    """Why a container that waits does so, if that is more than a moment's matter."""
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), said(waiting.get("message"))
    text = f"{reason}: {message}" if message else reason
    since = min((first_time(item) for item in events if item.get("reason") in _TOLD_BY), default=0)
    if reason == "InvalidImageName":
        return PendingReason("image_name_invalid", text, _IMAGE_HINT, TimeoutKind.AT_ONCE)
    if reason in _PULL:
        return PendingReason(
            "image_pull_failed", text, _IMAGE_HINT, TimeoutKind.GRACE, since or None
        )
    if reason in _CREATE:
        return PendingReason(
            "container_not_created", text, _CREATE_HINT, TimeoutKind.GRACE, since or None
        )
    crashes = of_crashes(status) or _of_failed_start(status)
    return (
        None if crashes is None else replace(crashes, clock=TimeoutKind.GRACE, since=since or None)
    )


def _of_failed_start(status: Mapping[str, Any]) -> PendingReason | None:
    """Why a container ended that shall run, and is to be started again in a while."""
    ended = (status.get("state") or {}).get("terminated")
    if not ended:
        return None
    text = f"{ended.get('reason', 'Error')}: {said(ended.get('message'))}"
    message = f"The container {status.get('name')} does not start: {text}"
    return PendingReason("container_crashes", message, _CREATE_HINT, TimeoutKind.NONE)


def of_crashes(status: Mapping[str, Any]) -> PendingReason | None:
    """Why a container is not started again at once; a runner that runs says what that means."""
    waiting = (status.get("state") or {}).get("waiting") or {}
    if waiting.get("reason") != "CrashLoopBackOff":
        return None
    last = (status.get("lastState") or {}).get("terminated") or terminated(status)
    how = f"{last.get('reason', 'Error')}, exit code {last.get('exitCode', 'unknown')}"
    text = f"The container {status.get('name')} ends as soon as it has started: {how}"
    hint = "Its log says why: `kubectl logs POD -c agent --previous`."
    return PendingReason("container_crashes", text, hint, TimeoutKind.NONE)
