"""Every row of the table of what ends a pod from outside, with objects of a real cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdlc_runner.backends.kubernetes import reasons
from sdlc_runner.backends.kubernetes.objects import JobView, PodView
from sdlc_runner.events.types import Outcome
from support.kubernetes.kube_fixtures import (
    COMPLETE,
    DISRUPTED,
    FAILED,
    NEVER_STARTED,
    ON_NODE,
    OVERDUE,
    OVERDUE_SOON,
    POD_DEADLINE,
    RUNNING,
    START_ERROR,
    VOLUME_FULL,
    disrupted,
    ended,
    job,
    pod,
)

if TYPE_CHECKING:
    from sdlc_runner.attempt.spec import TerminationCause
    from support.kubernetes.kube_fixtures import JobOrPod


def cause_of_end(pod: JobOrPod, job: JobOrPod | None) -> TerminationCause | None:
    return reasons.cause_of_end(PodView.of(pod), None if job is None else JobView.of(job))


def cause_without_pod(job: JobOrPod) -> TerminationCause | None:
    return reasons.cause_without_pod(JobView.of(job))


def leaving(pod: JobOrPod) -> TerminationCause | None:
    return reasons.cause_of_leaving(PodView.of(pod))


CLAIM = '{"seq":9,"status":"interrupted","code":"signal"}'
STOPPED = ended(143, message=CLAIM)
KILLED = ended(137)
OOM = ended(137, "OOMKilled")
OOM_OF_A_CHILD = ended(1, "OOMKilled", '{"seq":9,"status":"failed","code":"agent_failed"}')
AGENT_OOM = ended(137, "OOMKilled", name="agent")
AGENT_AGAIN = {**RUNNING, "name": "agent", "lastState": AGENT_OOM["state"]}


def going(reason: str, message: str = "") -> JobOrPod:
    conditions = [ON_NODE, disrupted(reason, message)]
    return pod(STOPPED, leaving=True, phase="Failed", conditions=conditions)


def refused(reason: str) -> JobOrPod:
    return pod(phase="Failed", reason=reason, message="Pod was rejected: no room", conditions=[])


ENDS = [
    (pod(STOPPED, phase="Failed", reason="Evicted", message=VOLUME_FULL), "evicted"),
    (going("EvictionByEvictionAPI", "Eviction API: evicting"), "evicted"),
    (going("PreemptionByScheduler", "default-scheduler: preempting"), "preempted"),
    (pod(STOPPED, phase="Failed", reason="Preempting"), "preempted"),
    (going("DeletionByTaintManager", "Taint manager: deleting due to NoExecute"), "node_tainted"),
    (going("DeletionByPodGC", "PodGC: node no longer exists"), "node_lost"),
    (pod(phase="Failed", reason="NodeLost"), "node_lost"),
    (going("TerminationByKubelet"), "node_shutdown"),
    (pod(STOPPED, phase="Failed", reason="Terminated"), "node_shutdown"),
    (pod(STOPPED, phase="Failed", reason="NodeShutdown"), "node_shutdown"),
    (pod(STOPPED, phase="Failed", reason="Shutdown"), "node_shutdown"),
    (refused("OutOfcpu"), "node_refused"),
    (refused("OutOfmemory"), "node_refused"),
    (refused("OutOfpods"), "node_refused"),
    (refused("OutOfephemeral-storage"), "node_refused"),
    (refused("NodeAffinity"), "node_refused"),
    (refused("UnexpectedAdmissionError"), "node_refused"),
    (pod(STOPPED, leaving=True, phase="Failed"), "pod_deleted"),
    (pod(NEVER_STARTED, leaving=True, phase="Failed"), "pod_deleted"),
    (pod(NEVER_STARTED, phase="Failed"), "node_lost"),
    (pod(OOM, phase="Failed"), "out_of_memory"),
    (pod(OOM_OF_A_CHILD, phase="Failed"), "out_of_memory"),
    (pod(STOPPED, AGENT_OOM, phase="Failed"), "out_of_memory"),
    (pod(STOPPED, AGENT_AGAIN, phase="Failed"), "out_of_memory"),
    (pod(KILLED, phase="Failed"), "killed"),
    (pod(ended(255), phase="Failed"), "runtime_lost"),
]


@pytest.mark.parametrize(("found", "code"), ENDS)
def test_what_ends_a_pod_from_outside_interrupts_it(found: JobOrPod, code: str) -> None:
    cause = cause_of_end(found, job(FAILED))
    assert cause is not None
    assert (cause.outcome, cause.code) == (Outcome.INTERRUPTED, code)
    assert cause.message


OTHERS = [
    (pod(KILLED, phase="Failed", reason="DeadlineExceeded", message=POD_DEADLINE), FAILED),
    (pod(STOPPED, leaving=True, phase="Failed"), OVERDUE),
    (pod(STOPPED, leaving=True, phase="Failed"), OVERDUE_SOON),
    (pod(START_ERROR, phase="Failed"), FAILED),
    (pod(ended(3), phase="Failed"), FAILED),
]
CODES = [
    (Outcome.TIMED_OUT, "pod_deadline"),
    (Outcome.TIMED_OUT, "job_deadline"),
    (Outcome.TIMED_OUT, "job_deadline"),
    (Outcome.REJECTED, "container_not_started"),
    (Outcome.FAILED, "no_report"),
]


@pytest.mark.parametrize(
    ("found", "condition", "expected"),
    [(*other, code) for other, code in zip(OTHERS, CODES, strict=True)],
)
def test_deadlines_and_runners_that_are_none(
    found: JobOrPod, condition: JobOrPod, expected: tuple[Outcome, str]
) -> None:
    cause = cause_of_end(found, job(condition))
    assert cause is not None
    assert (cause.outcome, cause.code) == expected
    assert cause.hint


@pytest.mark.parametrize(
    "found",
    [
        pod(ended(0, "Completed", CLAIM), phase="Succeeded"),
        pod(ended(0, "Completed"), phase="Succeeded"),
        pod(ended(1, message=CLAIM), phase="Failed"),
        pod(ended(2, message=CLAIM), phase="Failed"),
        pod(STOPPED, phase="Failed"),
        pod(ended(143), phase="Failed"),
    ],
)
def test_a_pod_that_ends_by_itself_has_no_cause(found: JobOrPod) -> None:
    assert cause_of_end(found, job(FAILED)) is None
    assert cause_of_end(found, None) is None


def test_memory_explains_only_what_an_agent_without_memory_claims() -> None:
    cause = cause_of_end(pod(OOM_OF_A_CHILD, phase="Failed"), None)
    assert cause is not None
    assert {"agent_failed", "agent_server_died"} <= set(cause.also)
    assert "model_refused" not in cause.also


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (FAILED, (Outcome.INTERRUPTED, "pod_deleted")),
        (DISRUPTED, (Outcome.INTERRUPTED, "evicted")),
        (OVERDUE, (Outcome.TIMED_OUT, "job_deadline")),
        (OVERDUE_SOON, (Outcome.TIMED_OUT, "job_deadline")),
    ],
)
def test_a_job_still_says_something_when_its_pod_is_gone(
    condition: JobOrPod, expected: tuple[Outcome, str]
) -> None:
    cause = cause_without_pod(job(condition))
    assert cause is not None
    assert (cause.outcome, cause.code) == expected


def test_a_job_that_completed_has_no_cause() -> None:
    assert cause_without_pod(job(COMPLETE)) is None


def test_a_running_pod_that_was_reported_to_go_says_why() -> None:
    assert leaving(pod(RUNNING)) is None
    deleted = leaving(pod(RUNNING, leaving=True))
    assert deleted is not None
    assert deleted.code == "pod_deleted"
    tainted = [ON_NODE, disrupted("DeletionByTaintManager", "Taint manager: deleting")]
    found = leaving(pod(RUNNING, leaving=True, conditions=tainted))
    assert found is not None
    assert (found.code, "Taint manager" in found.message) == ("node_tainted", True)
