"""Every clock of an attempt: the worker's, the pod's, the Job's, and the followers'."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from support.cluster.background_verb import Followed
from support.cluster.changed_template import change
from support.cluster.terminations import HOLDING, REFS, TASK, name_of, saved, the_pod, working
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness
    from support.harness import Event

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def seconds(event: Event) -> float:
    return datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


def test_a_clock_that_ran_out_while_no_one_followed_is_not_started_again(
    harness: ClusterHarness,
) -> None:
    harness.tasks(TASK)
    change(harness, lambda pod: pod.update(schedulerName="nobody"))
    harness.run("spawn", "T001")
    time.sleep(8)
    result = harness.run("follow", "T001", "--set", "limits.start_seconds=8")
    assert result.outcome("T001")["code"] == "pending_too_long"
    assert seconds(result.outcome("T001")) - seconds(result.events[0]) < 6


def test_the_wrappers_own_limit_comes_first_and_loses_nothing(harness: ClusterHarness) -> None:
    harness.tasks(TASK)
    harness.agent(HOLDING)
    result = harness.run("spawn", "T001", "--follow", "--set", "limits.run_seconds=4")
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("timed_out", "run_limit")
    assert "--from-checkpoint" in outcome["hint"]
    assert saved(harness) == "half done"
    assert f"{REFS}/transcript" in harness.remote_refs()
    (pod,) = harness.namespace.pods()
    assert pod["spec"]["activeDeadlineSeconds"] == 900 + 4 + 600
    assert '"type":"result"' in harness.namespace.log(pod["metadata"]["name"])
    (job,) = harness.namespace.jobs()
    assert job["spec"]["activeDeadlineSeconds"] == 86_400 + 900 + 4 + 600 + 600


def end_in_a_second(harness: ClusterHarness, kind: str, name: str) -> None:
    patch = '{"spec": {"activeDeadlineSeconds": 1}}'
    harness.namespace.kubectl.run("patch", kind, name, f"-p={patch}")


def test_at_the_pods_deadline_the_work_is_saved(harness: ClusterHarness) -> None:
    followed = working(harness)
    end_in_a_second(harness, "pod", name_of(the_pod(harness)))
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("timed_out", "pod_deadline")
    assert "--from-checkpoint" in outcome["hint"]
    assert saved(harness) == "half done"
    (told,) = harness.run("verify", "T001").of("outcome")
    assert told["code"] == "pod_deadline"


def test_at_the_pods_deadline_a_wrapper_that_cannot_act_leaves_pod_and_log(
    harness: ClusterHarness,
) -> None:
    harness.tasks(TASK)
    change(harness, lambda pod: pod.update(terminationGracePeriodSeconds=1))
    harness.agent("""
        import signal
        print('the last words', flush=True)
        time.sleep(1)
        os.kill(os.getppid(), signal.SIGSTOP)
        note('stopped')
        hold()
    """)
    followed = Followed(harness.start("spawn", "T001", "--follow", "--detail", "full"))
    wait_for(lambda: "stopped" in harness.model.notes(), what="the worker's stop")
    end_in_a_second(harness, "pod", name_of(the_pod(harness)))
    result = followed.result()
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("timed_out", "pod_deadline")
    assert "the last words" in [event["text"] for event in result.of("log")]
    assert the_pod(harness)["status"]["reason"] == "DeadlineExceeded"
    assert "the last words" in harness.run("logs", "T001").stdout


def test_a_jobs_own_deadline_is_reported_and_the_work_is_saved(harness: ClusterHarness) -> None:
    followed = working(harness)
    (job,) = harness.namespace.jobs()
    end_in_a_second(harness, "job", job["metadata"]["name"])
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("timed_out", "job_deadline")
    assert saved(harness) == "half done"
    (row,) = harness.run("status").of("row")
    assert (row["outcome"], row["code"]) == ("timed_out", "job_deadline")
