"""Where an attempt is, by Job, pod and events as a real cluster had them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdlc_runner.backends.kubernetes.job_state import JobPhase, JobState
from sdlc_runner.backends.kubernetes.reasons import TimeoutKind
from sdlc_runner.events.types import Outcome
from support.kubernetes.kube_fixtures import (
    BORN_SECONDS,
    CANCEL_NOTE,
    COMPLETE,
    CRASHES,
    DISRUPTED,
    FAILED,
    GIVE_UP_NOTE,
    IMAGE,
    LATER,
    MOUNTED,
    NEVER_STARTED,
    NO_NODE,
    NO_SECRET,
    NOT_PRESENT,
    ON_NODE,
    OVERDUE,
    OVERDUE_SOON,
    QUOTA,
    RUNNING,
    condition,
    disrupted,
    ended,
    event,
    job,
    pod,
    state_of,
    states,
    waits,
)

if TYPE_CHECKING:
    from support.kubernetes.kube_fixtures import JobOrPod

CREATING = waits("ContainerCreating")
GATED = condition("PodScheduled", "False", "SchedulingGated", "Scheduling is blocked")
NOWHERE = condition("PodScheduled", "False", "Unschedulable", NO_NODE)
PULLING = event("Pulling", f'Pulling image "{IMAGE}"', LATER)
CLAIM = '{"seq":9,"status":"succeeded"}'


def unscheduled(*conditions: JobOrPod) -> JobOrPod:
    return pod(phase="Pending", conditions=list(conditions))


def pending(*statuses: JobOrPod, mounted: bool = False) -> JobOrPod:
    conditions = [ON_NODE, *([MOUNTED] if mounted else [])]
    return pod(*statuses, phase="Pending", conditions=conditions)


ON_THE_WAY = [
    (job(), None, [], JobPhase.PENDING, "", TimeoutKind.START),
    (job(suspend=True), None, [], JobPhase.QUEUED, "", TimeoutKind.QUEUE),
    (
        job(),
        None,
        [event("FailedCreate", QUOTA)],
        JobPhase.QUEUED,
        "quota_exceeded",
        TimeoutKind.QUEUE,
    ),
    (
        job(),
        None,
        [event("FailedCreate", "No.")],
        JobPhase.PENDING,
        "admission_refused",
        TimeoutKind.GRACE,
    ),
    (job(), unscheduled(), [], JobPhase.PENDING, "", TimeoutKind.START),
    (job(), unscheduled(GATED), [], JobPhase.QUEUED, "", TimeoutKind.QUEUE),
    (
        job(),
        unscheduled(NOWHERE),
        [],
        JobPhase.PENDING,
        "unschedulable",
        TimeoutKind.QUEUE,
    ),
    (job(), pending(CREATING), [], JobPhase.PENDING, "", TimeoutKind.START),
    (
        job(),
        pending(CREATING),
        [event("FailedMount", NO_SECRET)],
        JobPhase.PENDING,
        "volume_not_mounted",
        TimeoutKind.GRACE,
    ),
    (job(), pending(CREATING, mounted=True), [], JobPhase.STARTING, "", TimeoutKind.START),
    (
        job(),
        pending(CREATING, mounted=True),
        [event("FailedMount", NO_SECRET)],
        JobPhase.STARTING,
        "",
        TimeoutKind.START,
    ),
    (job(), pending(CREATING, mounted=True), [PULLING], JobPhase.PULLING, "", TimeoutKind.START),
    (
        job(),
        pending(CREATING),
        [PULLING, event("Pulled")],
        JobPhase.STARTING,
        "",
        TimeoutKind.START,
    ),
    (
        job(),
        pending(waits("PodInitializing"), waits("ErrImageNeverPull", NOT_PRESENT, "agent")),
        [],
        JobPhase.PULLING,
        "image_pull_failed",
        TimeoutKind.GRACE,
    ),
    (
        job(),
        pending(waits("CreateContainerConfigError", 'configmap "nope" not found')),
        [],
        JobPhase.STARTING,
        "container_not_created",
        TimeoutKind.GRACE,
    ),
    (job(), pod(RUNNING), [], JobPhase.RUNNING, "", TimeoutKind.NONE),
    (job(), pod(RUNNING, CRASHES), [], JobPhase.RUNNING, "container_crashes", TimeoutKind.NONE),
    (job(), pod(RUNNING, leaving=True), [], JobPhase.RUNNING, "pod_deleted", TimeoutKind.NONE),
    (
        job(notes=CANCEL_NOTE),
        pod(RUNNING, leaving=True),
        [],
        JobPhase.RUNNING,
        "",
        TimeoutKind.NONE,
    ),
]


@pytest.mark.parametrize(("a_job", "a_pod", "events", "phase", "code", "clock"), ON_THE_WAY)
def test_an_attempt_on_its_way_is_alive(
    a_job: JobOrPod,
    a_pod: JobOrPod | None,
    events: list[JobOrPod],
    phase: JobPhase,
    code: str,
    clock: TimeoutKind,
) -> None:
    found = state_of(a_job, a_pod, events)
    assert (found.phase, found.reason.code if found.reason else "") == (phase, code)
    assert found.clock is clock
    assert found.ending.known
    assert found.ending.alive
    assert found.ran == (phase is JobPhase.RUNNING)


def test_each_clock_has_its_own_beginning() -> None:
    queued = state_of(job(suspend=True), None, [])
    assert queued.since == BORN_SECONDS
    created_but_unseen = state_of(job(), unscheduled(), [])
    assert created_but_unseen.since == BORN_SECONDS
    on_its_node = state_of(job(), pending(CREATING), [])
    assert on_its_node.since == BORN_SECONDS + 1, "the wait for a node is no part of the start"
    resumed = state_of(job(suspend=False), None, [])
    assert resumed.since == BORN_SECONDS + 1


ENDS = [
    (pod(ended(0, "Completed", CLAIM), phase="Succeeded"), job(COMPLETE), 0, None),
    (pod(ended(1), phase="Running"), job(), 1, "no_report"),
    (pod(ended(143), leaving=True, phase="Failed"), job(FAILED), 143, "pod_deleted"),
    (pod(ended(143), leaving=True, phase="Failed"), job(OVERDUE), 143, "job_deadline"),
    (None, job(COMPLETE), 0, None),
    (None, job(FAILED), None, "pod_deleted"),
    (None, job(DISRUPTED), None, "evicted"),
    (None, job(OVERDUE_SOON), None, "job_deadline"),
    (pod(ended(137), phase="Failed"), None, 137, "killed"),
]


@pytest.mark.parametrize(("a_pod", "a_job", "code", "cause"), ENDS)
def test_an_attempt_that_ended(
    a_pod: JobOrPod | None, a_job: JobOrPod | None, code: int | None, cause: str | None
) -> None:
    found = state_of(a_job, a_pod, [])
    assert found.phase is JobPhase.ENDED
    assert (found.ending.known, found.ending.alive) == (True, False)
    assert found.ending.exit_code == code
    assert (found.ending.cause.code if found.ending.cause else None) == cause


def test_a_pod_that_went_with_its_node_has_ended_though_its_container_runs() -> None:
    conditions = [ON_NODE, disrupted("DeletionByPodGC", "PodGC: node no longer exists")]
    found = state_of(job(), pod(RUNNING, leaving=True, phase="Failed", conditions=conditions), [])
    assert (found.phase, found.ran) == (JobPhase.ENDED, True)
    assert found.ending.cause is not None
    assert found.ending.cause.code == "node_lost"


@pytest.mark.parametrize("a_pod", [None, pod(NEVER_STARTED, leaving=True, phase="Failed")])
def test_what_was_given_up_is_rejected_for_the_reason_on_its_job(a_pod: JobOrPod | None) -> None:
    found = state_of(job(OVERDUE, notes=GIVE_UP_NOTE), a_pod, [])
    cause = found.ending.cause
    assert cause is not None
    assert (cause.outcome, cause.code) == (Outcome.REJECTED, "image_pull_failed")
    assert (cause.message, cause.hint) == ("No.", "Load it.")
    assert not found.ran


def test_what_began_in_the_very_moment_it_was_given_up_was_not_rejected() -> None:
    found = state_of(job(OVERDUE, notes=GIVE_UP_NOTE), pod(ended(143), leaving=True), [])
    assert found.ending.cause is not None
    assert found.ending.cause.code == "job_deadline"


@pytest.mark.parametrize("note", ["", "no JSON", "[1]", '{"code": 5}', "[" * 100_000])
def test_a_reason_that_is_none_raises_nothing(note: str) -> None:
    found = state_of(job(FAILED, notes={"sdlc-runner/given-up": note}), None, [])
    assert found.phase is JobPhase.ENDED


@pytest.mark.parametrize("notes", [CANCEL_NOTE, GIVE_UP_NOTE])
def test_a_queue_that_holds_a_given_up_job_for_ever_does_not_keep_it_alive(
    notes: dict[str, str],
) -> None:
    found = state_of(job(suspend=True, notes=notes), None, [])
    assert (found.phase, found.ending.alive) == (JobPhase.ENDED, False)
    assert found.ending.cancelled == (notes is CANCEL_NOTE)


def test_an_attempt_of_which_nothing_is_left_is_gone() -> None:
    found = state_of(None, None, [])
    assert (found.phase, found.ending.known) == (JobPhase.GONE, False)


@pytest.mark.parametrize(
    ("message", "claim"),
    [(CLAIM, {"seq": 9, "status": "succeeded"}), ("x", {}), ("[]", {}), ("", {})],
)
def test_a_termination_message_is_a_claim_or_nothing(message: str, claim: object) -> None:
    found = state_of(job(COMPLETE), pod(ended(0, "Completed", message), phase="Succeeded"), [])
    assert found.ending.claim == claim


def named(uid: str, owner: str, created: str) -> JobOrPod:
    found = pod(RUNNING)
    owners = [{"kind": "Job", "uid": owner}]
    meta = {"name": uid, "uid": uid, "ownerReferences": owners, "creationTimestamp": created}
    return {**found, "metadata": meta}


def test_a_pod_of_an_earlier_job_of_that_name_is_not_this_ones() -> None:
    old = named("old", "job-0", "2026-11-23T08:00:00Z")
    found = states([job()], [old], [])
    assert {uid: state.pod for uid, state in found.items()} == {"job-1": "", "job-0": "old"}


def test_of_two_pods_of_a_job_the_newer_counts() -> None:
    pods = [named("b", "job-1", LATER), named("a", "job-1", "2026-11-23T08:00:00Z")]
    assert states([job()], pods, [])["job-1"].pod == "b"


def test_a_pod_whose_job_was_deleted_is_alive_until_it_ends() -> None:
    found = states([], [pod(RUNNING, leaving=True)], [])["job-1"]
    assert (found.phase, found.ending.alive) == (JobPhase.RUNNING, True)


def test_events_are_reported_apart_by_what_they_are_about() -> None:
    about_job = {**event("FailedCreate", QUOTA), "involvedObject": {"uid": "job-1"}}
    other = {**event("FailedCreate", "No."), "involvedObject": {"uid": "job-2"}}
    oddities: list[JobOrPod] = [{}, {"involvedObject": None}, {"involvedObject": {}}]
    for strange in oddities:
        found: JobState = states([job()], [], [strange, other, about_job])["job-1"]
        assert found.phase is JobPhase.QUEUED
