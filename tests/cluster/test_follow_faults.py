"""Following while parts of the cluster die: every event once, no false success, the right end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.cluster import speaker
from support.cluster.background_verb import Followed
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness
    from support.cluster.kit import Faults

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ONE = "- [ ] T001 [ASYNC] Write `T001.txt`\n"


def spoken_to(harness: ClusterHarness) -> Followed:
    """Start an attempt whose agent speaks, and follow it."""
    harness.tasks(ONE)
    harness.agent(speaker.SPEAK)
    follow = Followed(harness.start("spawn", "T001", "--follow", "--detail", "full"))
    follow.wait_for("log")
    return follow


def wait_for_more(follow: Followed, seconds: float = 60) -> None:
    """Wait until the agent is heard again."""
    before = len(follow.lines)
    wait_for(lambda: len(follow.lines) > before + 20, seconds, "more of the log")


def assert_good_end(harness: ClusterHarness, follow: Followed) -> None:
    harness.model.open("T001")
    result = follow.result()
    assert result.outcome("T001")["outcome"] == "succeeded", result.stdout[-3000:]
    assert result.code == 0
    speaker.assert_exact(result.events)
    assert not result.of("gap")
    assert harness.remote_file("T001.txt", "sdlc-runner/001-demo/T001-1") == "done"


def test_the_parts_of_a_cluster_die_one_after_the_other(
    harness: ClusterHarness, fault: Faults
) -> None:
    follow = spoken_to(harness)
    for part in ("apiserver", "kubelet", "forwarder", "containerd"):
        fault("kill9", part)
        time.sleep(0.5)
        assert follow.child.poll() is None
        fault("start", part)
        wait_for_more(follow)
    fault("restart", "kubelet")
    wait_for_more(follow)
    fault("pause", "apiserver")
    time.sleep(2)
    fault("cont", "apiserver")
    wait_for_more(follow)
    assert_good_end(harness, follow)


def test_a_node_that_is_cut_off_or_frozen_ends_its_streams_and_nothing_else(
    harness: ClusterHarness, fault: Faults
) -> None:
    """After 45 s of it every stream ends as if the log were whole; before, all comes later."""
    follow = spoken_to(harness)
    fault("partition")
    time.sleep(10)
    fault("heal")
    wait_for_more(follow)
    fault("pause", "kubelet")
    time.sleep(50)
    assert follow.child.poll() is None
    fault("cont", "kubelet")
    wait_for_more(follow, 90)
    fault.undo()  # waits for the node, so that Services lead to pods again
    wait_for(harness.model.notes, 30, "the way to the model")
    assert_good_end(harness, follow)


def test_what_a_dead_containerd_kept_to_itself_comes_from_the_transcript(
    harness: ClusterHarness, fault: Faults
) -> None:
    follow = spoken_to(harness)
    fault("kill9", "containerd")
    time.sleep(1)
    harness.model.open("T001")
    branch = "refs/heads/sdlc-runner/001-demo/T001-1"
    wait_for(lambda: branch in harness.repository.refs(), 30, "the push")
    time.sleep(1)
    fault("start", "containerd")
    result = follow.result()
    assert result.outcome("T001")["outcome"] == "succeeded", result.stdout[-3000:]
    speaker.assert_exact(result.events)


def test_an_end_that_no_one_saw_is_judged_when_the_kubelet_is_back(
    harness: ClusterHarness, fault: Faults
) -> None:
    follow = spoken_to(harness)
    fault("stop", "kubelet")
    harness.model.open("T001")
    branch = "refs/heads/sdlc-runner/001-demo/T001-1"
    wait_for(lambda: branch in harness.repository.refs(), 30, "the push")
    time.sleep(1)
    assert not follow.of("outcome"), "the pod may still run, for all that is known"
    fault("start", "kubelet")
    result = follow.result()
    assert result.outcome("T001")["outcome"] == "succeeded"
    speaker.assert_exact(result.events)
    assert not result.of("gap")
