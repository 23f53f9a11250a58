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

    from support.cluster.harness import ClusterHarness

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TASK = "- [ ] T001 [ASYNC] Write `T001.txt`\n"
REFS = "refs/sdlc-runner/001-demo/T001/1"


def patch(harness: ClusterHarness, kind: str, name: str, **change: object) -> None:
    harness.namespace.kubectl.run("patch", kind, name, "--type=merge", f"-p={json.dumps(change)}")


def test_cancelled_on_one_machine_and_gone_on_with_on_another(harness: ClusterHarness) -> None:
    harness.tasks(TASK)
    harness.agent("pathlib.Path('T001.txt').write_text('half '); note('works'); hold()")
    followed = Followed(harness.start("spawn", "T001", "--follow"))
    wait_for(lambda: "works" in harness.model.notes(), what="work")
    elsewhere = other_machine(harness)
    cancelled = elsewhere.run("cancel", "T001")
    result = followed.result()
    for outcome in (cancelled.outcome("T001"), result.outcome("T001")):
        assert (outcome["outcome"], outcome["code"]) == ("cancelled", "cancelled")
        assert outcome["checkpoint"] == f"{REFS}/checkpoint"
    assert (cancelled.code, result.code) == (0, 1)
    assert not result.of("warning"), "that its pod goes is no news to who wanted it"
    assert harness.remote_file("T001.txt", f"{REFS}/checkpoint") == "half"
    told = elsewhere.run("verify", "T001").outcome("T001")
    assert told["outcome"] == "cancelled"
    again = elsewhere.run("cancel", "T001")
    assert [event["code"] for event in again.of("warning")] == ["not_running"]
    elsewhere.agent("path = pathlib.Path('T001.txt'); path.write_text(path.read_text() + 'done')")
    retried = elsewhere.run("retry", "T001", "--from-checkpoint", "--follow").outcome("T001")
    assert (retried["outcome"], retried["attempt"]) == ("succeeded", 2)
    assert harness.remote_file("T001.txt", "sdlc-runner/001-demo/T001-2") == "half done"


def full(harness: ClusterHarness) -> None:
    quota = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "none"}}
    harness.namespace.kubectl.apply({**quota, "spec": {"hard": {"pods": "0"}}})
    harness.run("spawn", "T001")


def gated(harness: ClusterHarness) -> None:
    change(harness, lambda pod: pod.update(schedulingGates=[{"name": "example.com/gate"}]))
    harness.run("spawn", "T001")


def suspended(harness: ClusterHarness) -> None:
    gated(harness)
    (job,) = harness.namespace.jobs()
    patch(harness, "job", job["metadata"]["name"], spec={"suspend": True})


@pytest.mark.parametrize("hold", [full, gated, suspended])
def test_what_only_waits_is_cancelled_too_and_never_runs(
    harness: ClusterHarness, hold: Callable[[ClusterHarness], None]
) -> None:
    harness.tasks(TASK)
    harness.agent("note('it ran'); hold()")
    hold(harness)
    outcome = other_machine(harness).run("cancel", "T001").outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("cancelled", "cancelled")
    (row,) = harness.run("status").of("row")
    assert (row["state"], row["outcome"]) == ("ended", "cancelled")
    (job,) = harness.namespace.jobs()
    harness.namespace.kubectl.run(
        "wait", "--for=condition=Failed", f"job/{job['metadata']['name']}"
    )
    wait_for(lambda: not harness.namespace.pods(), 30, "the end of all pods")
    assert not harness.model.notes()


def test_a_queue_that_suspends_a_cancelled_job_again_does_not_bring_it_back(
    harness: ClusterHarness,
) -> None:
    harness.tasks(TASK)
    suspended(harness)
    (job,) = harness.namespace.jobs()
    # As a queue does that finds a Job running which it has not admitted.
    note = {"annotations": {"sdlc-runner/cancelled": "2026-11-23T00:00:00+00:00"}}
    patch(harness, "job", job["metadata"]["name"], metadata=note)
    (row,) = harness.run("status").of("row")
    assert (row["state"], row["outcome"]) == ("ended", "cancelled")


def test_gc_leaves_nothing_of_what_was_merged_and_all_of_what_failed(
    harness: ClusterHarness,
) -> None:
    harness.tasks("- [ ] T001 [P] [ASYNC] Write `a`\n- [ ] T002 [P] [ASYNC] Write `b`\n")
    harness.agent(
        "sys.exit(task == 'T002') if task == 'T002' else open('T001.txt', 'w').write('x')"
    )
    harness.run("run")
    before, refs = harness.namespace.leftovers(), harness.remote_refs()
    tried = harness.run("gc", "--dry-run")
    assert (harness.namespace.leftovers(), harness.remote_refs()) == (before, refs)
    done = other_machine(harness).run("gc")
    for result in (tried, done):
        assert {event["task"] for event in result.of("removed")} == {"T001"}
        assert {event["what"] for event in result.of("removed")} == {"branch", "refs", "state"}
    wait_for(lambda: len(harness.namespace.leftovers()) == 2, what="the removal of the pod")
    assert all("-t002-1-" in name for name in harness.namespace.leftovers())
    assert not [ref for ref in harness.remote_refs() if "T001" in ref]
    assert "refs/sdlc-runner/001-demo/T002/1/transcript" in harness.remote_refs()
    (job,) = harness.namespace.jobs()
    assert job["spec"]["ttlSecondsAfterFinished"] == 172_800, "what failed goes by itself"
