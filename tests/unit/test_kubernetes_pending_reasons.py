"""Every row of the table of what keeps an attempt from beginning, and when that is given up."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.backends.kubernetes import reasons
from sdlc_runner.backends.kubernetes.api import ServerClock
from sdlc_runner.backends.kubernetes.job_spec import Clocks
from sdlc_runner.backends.kubernetes.job_state import JobPhase, JobState
from sdlc_runner.backends.kubernetes.job_tail import StartTimeout
from sdlc_runner.backends.kubernetes.objects import ContainerView, EventView, PodView
from sdlc_runner.backends.kubernetes.reasons import PendingReason, TimeoutKind
from sdlc_runner.events.types import Outcome
from support.kubernetes.kube_fixtures import (
    BORN,
    BORN_SECONDS,
    CRASHES,
    LATER,
    NO_KEY,
    NO_NODE,
    NO_SECRET,
    NOT_PRESENT,
    QUOTA,
    RESTRICTED,
    condition,
    event,
    waits,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.kubernetes.kube_fixtures import JobOrPod


def of_waiting(status: JobOrPod, events: Iterable[JobOrPod]) -> PendingReason | None:
    return reasons.of_waiting(ContainerView.of(status), list(map(EventView.of, events)))


def of_crashes(status: JobOrPod) -> PendingReason | None:
    return reasons.of_crashes(ContainerView.of(status))


def of_creation(events: Iterable[JobOrPod]) -> PendingReason | None:
    return reasons.of_creation(list(map(EventView.of, events)))


def of_volumes(events: Iterable[JobOrPod]) -> PendingReason | None:
    return reasons.of_volumes(list(map(EventView.of, events)))


def of_scheduling(condition: JobOrPod) -> PendingReason:
    found = PodView.of({"status": {"conditions": [condition]}}).conditions["PodScheduled"]
    return reasons.of_scheduling(found)


WAITING = [
    ("InvalidImageName", "image_name_invalid", TimeoutKind.AT_ONCE),
    ("ErrImagePull", "image_pull_failed", TimeoutKind.GRACE),
    ("ImagePullBackOff", "image_pull_failed", TimeoutKind.GRACE),
    ("ErrImageNeverPull", "image_pull_failed", TimeoutKind.GRACE),
    ("ImageInspectError", "image_pull_failed", TimeoutKind.GRACE),
    ("RegistryUnavailable", "image_pull_failed", TimeoutKind.GRACE),
    ("SignatureValidationFailed", "image_pull_failed", TimeoutKind.GRACE),
    ("CreateContainerConfigError", "container_not_created", TimeoutKind.GRACE),
    ("CreateContainerError", "container_not_created", TimeoutKind.GRACE),
    ("PreCreateHookError", "container_not_created", TimeoutKind.GRACE),
    ("PreStartHookError", "container_not_created", TimeoutKind.GRACE),
    ("PostStartHookError", "container_not_created", TimeoutKind.GRACE),
    ("RunContainerError", "container_not_created", TimeoutKind.GRACE),
]


@pytest.mark.parametrize(("reason", "code", "clock"), WAITING)
def test_a_container_that_cannot_be_made(reason: str, code: str, clock: TimeoutKind) -> None:
    events = [event("Failed", f"Error: {reason}"), event("Scheduled", first="2026-11-23T08:00:00Z")]
    found = of_waiting(waits(reason, NOT_PRESENT), events)
    assert found is not None
    assert (found.code, found.clock) == (code, clock)
    assert NOT_PRESENT in found.message
    assert found.hint
    assert found.since == (None if clock is TimeoutKind.AT_ONCE else BORN_SECONDS)
    assert found.to_cause().outcome is Outcome.REJECTED


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", ""])
def test_a_container_that_is_being_made_is_no_trouble(reason: str) -> None:
    assert of_waiting(waits(reason), [event("Pulled")]) is None
    assert of_waiting({}, []) is None


def test_a_sidecar_that_crashes_is_given_up_before_the_runner_and_reported_beside_it() -> None:
    before = of_waiting(CRASHES, [event("BackOff")])
    assert before is not None
    assert (before.code, before.clock, before.since) == (
        "container_crashes",
        TimeoutKind.GRACE,
        BORN_SECONDS,
    )
    beside = of_crashes(CRASHES)
    assert beside is not None
    assert (beside.clock, "exit code 1" in beside.message) == (TimeoutKind.NONE, True)


MISSING_ACCOUNT = (
    'Error creating: pods "x-" is forbidden: error looking up service account n/nope: '
    'serviceaccount "nope" not found'
)
WEBHOOK = (
    "Error creating: Internal error occurred: failed calling webhook "
    '"policy.example.com": no endpoints available for service "policy"'
)
POLICY = (
    "Error creating: pods \"x-2\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' "
    "denied request: no"
)
NEVER_FITS = 'Error creating: pods "x-2" is forbidden: failed quota: q: must specify limits.cpu'


@pytest.mark.parametrize("text", [RESTRICTED, MISSING_ACCOUNT, WEBHOOK, POLICY, NEVER_FITS])
def test_a_refused_pod_is_given_up_after_a_while(text: str) -> None:
    later = event("FailedCreate", text, "2026-11-23T08:33:14Z", LATER)
    found = of_creation([later, event("FailedCreate", text, BORN, BORN)])
    assert found is not None
    assert (found.code, found.clock) == ("admission_refused", TimeoutKind.GRACE)
    assert found.since == BORN_SECONDS


def test_a_used_up_quota_is_waited_for_and_is_no_refusal() -> None:
    found = of_creation([event("FailedCreate", f"Error creating: {QUOTA}")])
    assert found is not None
    assert (found.code, found.clock) == ("quota_exceeded", TimeoutKind.QUEUE)
    assert "cancel" in found.hint


def test_a_refusal_counts_from_itself_and_not_from_the_quota_before() -> None:
    quota = event("FailedCreate", QUOTA, BORN, BORN)
    found = of_creation([quota, event("FailedCreate", RESTRICTED, LATER, LATER)])
    assert found is not None
    assert (found.code, found.since) == ("admission_refused", BORN_SECONDS + 11)


def test_a_pod_that_was_made_after_all_ends_the_trouble() -> None:
    made = event("SuccessfulCreate", "Created pod: x-1", LATER, LATER)
    assert of_creation([event("FailedCreate", QUOTA, BORN, BORN), made]) is None
    assert of_creation([]) is None


@pytest.mark.parametrize("text", [NO_SECRET, NO_KEY])
def test_a_volume_that_cannot_be_mounted_is_reported_by_an_event_alone(text: str) -> None:
    found = of_volumes([event("FailedMount", text), event("Scheduled")])
    assert found is not None
    assert (found.code, found.clock, found.since) == (
        "volume_not_mounted",
        TimeoutKind.GRACE,
        BORN_SECONDS,
    )
    assert text in found.message
    assert ("`kubectl describe externalsecret nope`" in found.hint) == (text == NO_SECRET)


def test_a_volume_that_was_mounted_in_the_end_is_no_trouble() -> None:
    failed = event("FailedMount", NO_SECRET, BORN, BORN)
    assert of_volumes([failed, event("Pulling", "", LATER, LATER)]) is None
    assert of_volumes([]) is None


def test_a_node_that_is_about_to_mount_a_secret_says_so_once_or_twice() -> None:
    text = 'MountVolume.SetUp failed for volume "x" : failed to sync secret cache: timed out'
    syncing = event("FailedMount", f"{text} waiting for the condition", LATER, LATER)
    assert of_volumes([syncing]) is None
    for events in ([{**syncing, "count": 3}], [syncing, event("FailedMount", NO_SECRET)]):
        found = of_volumes(events)
        assert found is not None
        assert found.code == "volume_not_mounted"


def test_a_pod_that_leaves_does_not_hide_the_cause() -> None:
    text = 'MountVolume.SetUp failed for volume "x" : object "agents"/"x" not registered'
    leaving = event("FailedMount", text, LATER, LATER)
    assert of_volumes([leaving]) is None
    found = of_volumes([event("FailedMount", NO_SECRET), leaving])
    assert found is not None
    assert NO_SECRET in found.message


def test_a_pod_without_a_network_has_the_time_of_a_start() -> None:
    found = of_volumes([event("FailedCreatePodSandBox", "plugin type=bridge failed")])
    assert found is not None
    assert (found.code, found.clock) == ("pod_not_set_up", TimeoutKind.START)


def test_a_pod_that_no_node_takes_waits_in_the_queue() -> None:
    found = of_scheduling(condition("PodScheduled", "False", "Unschedulable", NO_NODE))
    assert (found.code, found.clock) == ("unschedulable", TimeoutKind.QUEUE)
    assert "didn't match Pod's node affinity" in found.message


CLOCKS = Clocks(queue=3600, start=900, grace=30)
HELD = {clock: PendingReason("x", "It.", "Do.", clock) for clock in TimeoutKind}


def waiting(
    phase: JobPhase, held_up: PendingReason | None = None, since: float | None = None
) -> JobState:
    return JobState(phase, "", held_up, since=since)


def server_clock(seconds: float) -> ServerClock:
    clock = ServerClock()
    clock.set(formatdate(seconds, usegmt=True))
    return clock


@pytest.mark.parametrize(
    ("state", "most", "code"),
    [
        (waiting(JobPhase.PENDING, None, BORN_SECONDS), 900, "pending_too_long"),
        (waiting(JobPhase.PULLING, None, BORN_SECONDS), 900, "pending_too_long"),
        (waiting(JobPhase.STARTING, HELD[TimeoutKind.GRACE], BORN_SECONDS), 30, "x"),
        (waiting(JobPhase.PENDING, HELD[TimeoutKind.QUEUE], BORN_SECONDS), 3600, "x"),
        (waiting(JobPhase.QUEUED, None, BORN_SECONDS), 3600, "queued_too_long"),
    ],
)
def test_clocks_count_by_the_cluster_who_looks(state: JobState, most: int, code: str) -> None:
    for waited in (-7200, 0, most - 1):
        assert StartTimeout(CLOCKS, server_clock(BORN_SECONDS + waited)).is_over(state) is None
    late = StartTimeout(CLOCKS, server_clock(BORN_SECONDS + most)).is_over(state)
    assert late is not None
    assert late.code == code


def test_what_can_never_work_is_given_up_at_the_second_look() -> None:
    timeout = StartTimeout(CLOCKS, ServerClock())
    state = waiting(JobPhase.PULLING, HELD[TimeoutKind.AT_ONCE])
    timeout.is_over(state)
    time.sleep(0.01)
    assert timeout.is_over(state) is not None


@pytest.mark.parametrize("phase", [JobPhase.RUNNING, JobPhase.ENDED, JobPhase.GONE])
def test_nothing_that_has_run_is_given_up(phase: JobPhase) -> None:
    state = waiting(phase, HELD[TimeoutKind.NONE], 1.0)
    assert StartTimeout(CLOCKS, server_clock(BORN_SECONDS)).is_over(state) is None


def test_a_clock_of_zero_has_no_end() -> None:
    endless = StartTimeout(Clocks(0, 0, 30), server_clock(BORN_SECONDS))
    assert endless.is_over(waiting(JobPhase.QUEUED, None, 1.0)) is None
    assert endless.is_over(waiting(JobPhase.PENDING, None, 1.0)) is None


def test_without_times_of_the_cluster_the_first_look_counts() -> None:
    timeout = StartTimeout(Clocks(grace=0.05), ServerClock())
    state: JobState = waiting(JobPhase.STARTING, HELD[TimeoutKind.GRACE], 1.0)
    assert timeout.is_over(state) is None
    time.sleep(0.06)
    assert timeout.is_over(state) is not None


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Nov 2026 08:33:09 GMT"])
def test_a_date_that_cannot_be_read_is_ignored(date: str | None) -> None:
    clock = ServerClock()
    clock.set(date)
    assert clock.now() is None


def objects() -> list[JobOrPod]:
    return [event("FailedCreate", "", "", ""), {"reason": "FailedCreate"}, {}]


def test_events_without_times_or_texts_raise_nothing() -> None:
    found = of_creation(objects())
    assert found is None or found.code == "admission_refused"
    assert of_volumes(objects()) is None
