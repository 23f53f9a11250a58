"""Cancelling, going on from a checkpoint, and clearing up, from any machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.cluster.background_verb import Followed
from support.cluster.changed_template import change
from support.cluster.other_machine import other_machine
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cluster.harness import ClusterRig

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TASK = "- [ ] T001 [ASYNC] Write `T001.txt`\n"
REFS = "refs/sdlc-runner/001-demo/T001/1"


def patch(rig: ClusterRig, kind: str, name: str, **change: object) -> None:
    rig.namespace.kubectl.run("patch", kind, name, "--type=merge", f"-p={json.dumps(change)}")


def test_cancelled_on_one_machine_and_gone_on_with_on_another(rig: ClusterRig) -> None:
    rig.tasks(TASK)
    rig.agent("pathlib.Path('T001.txt').write_text('half '); note('works'); hold()")
    followed = Followed(rig.start("spawn", "T001", "--follow"))
    wait_for(lambda: "works" in rig.model.notes(), what="work")
    elsewhere = other_machine(rig)
    cancelled = elsewhere.run("cancel", "T001")
    result = followed.result()
    for outcome in (cancelled.outcome("T001"), result.outcome("T001")):
        assert (outcome["outcome"], outcome["code"]) == ("cancelled", "cancelled")
        assert outcome["checkpoint"] == f"{REFS}/checkpoint"
    assert (cancelled.code, result.code) == (0, 1)
    assert not result.of("warning"), "that its pod goes is no news to who wanted it"
    assert rig.remote_file("T001.txt", f"{REFS}/checkpoint") == "half"
    told = elsewhere.run("verify", "T001").outcome("T001")
    assert told["outcome"] == "cancelled"
    again = elsewhere.run("cancel", "T001")
    assert [event["code"] for event in again.of("warning")] == ["not_running"]
    elsewhere.agent("path = pathlib.Path('T001.txt'); path.write_text(path.read_text() + 'done')")
    retried = elsewhere.run("retry", "T001", "--from-checkpoint", "--follow").outcome("T001")
    assert (retried["outcome"], retried["attempt"]) == ("succeeded", 2)
    assert rig.remote_file("T001.txt", "sdlc-runner/001-demo/T001-2") == "half done"


def full(rig: ClusterRig) -> None:
    quota = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "none"}}
    rig.namespace.kubectl.apply({**quota, "spec": {"hard": {"pods": "0"}}})
    rig.run("spawn", "T001")


def gated(rig: ClusterRig) -> None:
    change(rig, lambda pod: pod.update(schedulingGates=[{"name": "example.com/gate"}]))
    rig.run("spawn", "T001")


def suspended(rig: ClusterRig) -> None:
    gated(rig)
    (job,) = rig.namespace.jobs()
    patch(rig, "job", job["metadata"]["name"], spec={"suspend": True})


@pytest.mark.parametrize("hold", [full, gated, suspended])
def test_what_only_waits_is_cancelled_too_and_never_runs(
    rig: ClusterRig, hold: Callable[[ClusterRig], None]
) -> None:
    rig.tasks(TASK)
    rig.agent("note('it ran'); hold()")
    hold(rig)
    outcome = other_machine(rig).run("cancel", "T001").outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("cancelled", "cancelled")
    (row,) = rig.run("status").of("row")
    assert (row["state"], row["outcome"]) == ("ended", "cancelled")
    (job,) = rig.namespace.jobs()
    rig.namespace.kubectl.run("wait", "--for=condition=Failed", f"job/{job['metadata']['name']}")
    wait_for(lambda: not rig.namespace.pods(), 30, "the end of all pods")
    assert not rig.model.notes()


def test_a_queue_that_suspends_a_cancelled_job_again_does_not_bring_it_back(
    rig: ClusterRig,
) -> None:
    rig.tasks(TASK)
    suspended(rig)
    (job,) = rig.namespace.jobs()
    # As a queue does that finds a Job running which it has not admitted.
    note = {"annotations": {"sdlc-runner/cancelled": "2026-11-23T00:00:00+00:00"}}
    patch(rig, "job", job["metadata"]["name"], metadata=note)
    (row,) = rig.run("status").of("row")
    assert (row["state"], row["outcome"]) == ("ended", "cancelled")


def test_gc_leaves_nothing_of_what_was_merged_and_all_of_what_failed(rig: ClusterRig) -> None:
    rig.tasks("- [ ] T001 [P] [ASYNC] Write `a`\n- [ ] T002 [P] [ASYNC] Write `b`\n")
    rig.agent("sys.exit(task == 'T002') if task == 'T002' else open('T001.txt', 'w').write('x')")
    rig.run("run")
    before, refs = rig.namespace.leftovers(), rig.remote_refs()
    tried = rig.run("gc", "--dry-run")
    assert (rig.namespace.leftovers(), rig.remote_refs()) == (before, refs)
    done = other_machine(rig).run("gc")
    for result in (tried, done):
        assert {event["task"] for event in result.of("removed")} == {"T001"}
        assert {event["what"] for event in result.of("removed")} == {"branch", "refs", "state"}
    wait_for(lambda: len(rig.namespace.leftovers()) == 2, what="the removal of the pod")
    assert all("-t002-1-" in name for name in rig.namespace.leftovers())
    assert not [ref for ref in rig.remote_refs() if "T001" in ref]
    assert "refs/sdlc-runner/001-demo/T002/1/transcript" in rig.remote_refs()
    (job,) = rig.namespace.jobs()
    assert job["spec"]["ttlSecondsAfterFinished"] == 172_800, "what failed goes by itself"
