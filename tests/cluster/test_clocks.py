"""Every clock of an attempt: the wrapper's, the pod's, the Job's, and the followers'."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from cluster.changed_template import change
from cluster.followed import Followed

if TYPE_CHECKING:
    from cluster.changed_template import PodSpec
    from cluster.cluster_rig import ClusterRig
    from rig import Event, Result

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TASK = "- [ ] T001 [ASYNC] Write `T001.txt`\n"
ENDLESS = "pathlib.Path('T001.txt').write_text('half done'); note('works'); hold()"
CHECKPOINT = "refs/sdlc-runner/001-demo/T001/1/checkpoint"
TRANSCRIPT = "refs/sdlc-runner/001-demo/T001/1/transcript"


def seconds(event: Event) -> float:
    return datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


def saved(rig: ClusterRig) -> str:
    """Return what the checkpoint holds of the work."""
    return rig.remote_file("T001.txt", CHECKPOINT)


def test_a_clock_that_ran_out_while_nobody_followed_is_not_started_anew(rig: ClusterRig) -> None:
    rig.tasks(TASK)
    change(rig, lambda pod: pod.update(schedulerName="nobody"))
    rig.run("spawn", "T001")
    time.sleep(8)
    result = rig.run("follow", "T001", "--set", "limits.start_seconds=8")
    assert result.outcome("T001")["code"] == "pending_too_long"
    assert seconds(result.outcome("T001")) - seconds(result.events[0]) < 6


def test_the_wrappers_own_limit_comes_first_and_loses_nothing(rig: ClusterRig) -> None:
    rig.tasks(TASK)
    rig.agent(ENDLESS)
    result = rig.run("spawn", "T001", "--follow", "--set", "limits.run_seconds=2")
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("timed_out", "run_limit")
    assert "--from-checkpoint" in outcome["hint"]
    assert saved(rig) == "half done"
    assert TRANSCRIPT in rig.remote_refs()
    (pod,) = rig.namespace.pods()
    assert pod["spec"]["activeDeadlineSeconds"] == 900 + 2 + 600
    assert '"type":"result"' in rig.namespace.log(pod["metadata"]["name"])
    (job,) = rig.namespace.jobs()
    assert job["spec"]["activeDeadlineSeconds"] == 86_400 + 900 + 2 + 600 + 600


def at_its_deadline(rig: ClusterRig, *, grace: int) -> Result:
    """Run an attempt into its pod's own deadline."""

    def deadline(pod: PodSpec) -> None:
        pod.update(activeDeadlineSeconds=5, terminationGracePeriodSeconds=grace)

    rig.tasks(TASK)
    change(rig, deadline)
    return rig.run("spawn", "T001", "--follow", "--detail", "full")


def test_at_the_pods_deadline_the_work_is_saved(rig: ClusterRig) -> None:
    rig.agent(ENDLESS)
    result = at_its_deadline(rig, grace=60)
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("timed_out", "pod_deadline")
    assert "--from-checkpoint" in outcome["hint"]
    assert saved(rig) == "half done"
    (told,) = rig.run("verify", "T001").of("outcome")
    assert told["code"] == "pod_deadline"


def test_at_the_pods_deadline_a_wrapper_that_cannot_act_leaves_pod_and_log(
    rig: ClusterRig,
) -> None:
    stop = "import signal\nprint('the last words', flush=True)\ntime.sleep(1)\n"
    rig.agent(f"{stop}os.kill(os.getppid(), signal.SIGSTOP)\nhold()")
    result = at_its_deadline(rig, grace=1)
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("timed_out", "pod_deadline")
    assert "the last words" in [event["text"] for event in result.of("log")]
    (pod,) = rig.namespace.pods()
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert "the last words" in rig.run("logs", "T001").stdout


def test_a_jobs_own_deadline_is_told_and_the_work_is_saved(rig: ClusterRig) -> None:
    rig.tasks(TASK)
    rig.agent(ENDLESS)
    followed = Followed(rig.start("spawn", "T001", "--follow"))
    followed.wait_for("phase", phase="working")
    (job,) = rig.namespace.jobs()
    patch = '{"spec": {"activeDeadlineSeconds": 1}}'
    rig.namespace.kubectl.run("patch", "job", job["metadata"]["name"], f"-p={patch}")
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("timed_out", "job_deadline")
    assert saved(rig) == "half done"
    (row,) = rig.run("status").of("row")
    assert (row["outcome"], row["code"]) == ("timed_out", "job_deadline")
