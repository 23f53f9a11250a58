"""An attempt that is ended, or cannot reach its remote, while it clones or pushes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from support.cluster.background_verb import Followed
from support.cluster.changed_template import change
from support.cluster.pod_template import Form
from support.cluster.repositories import RECEIVE, UPLOAD
from support.cluster.terminations import BRANCH, REFS, TASK, delete, name_of, the_pod
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Manifest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_a_pod_deleted_while_it_clones_begins_again_and_succeeds(harness: ClusterHarness) -> None:
    harness.tasks(TASK)
    change(harness, lambda pod: pod.update(schedulingGates=[{"name": "example.com/gate"}]))
    followed = Followed(harness.start("run"))
    followed.wait_for("queued")
    harness.template(Form.ONE)
    harness.repository.slow_down(60, UPLOAD)
    open_gate(harness, the_pod(harness))
    followed.wait_for("phase", phase="cloning")
    delete(harness, the_pod(harness))
    harness.repository.come_back()
    result = followed.result()
    told = [(event["outcome"], event["code"]) for event in result.of("outcome")]
    assert told == [("interrupted", "pod_deleted"), ("succeeded", "verified")]
    assert harness.ticked() == {"T001"}
    assert {BRANCH, f"{REFS}/start"} <= set(harness.remote_refs())


def open_gate(harness: ClusterHarness, pod: Manifest) -> None:
    gone = json.dumps([{"op": "remove", "path": "/spec/schedulingGates"}])
    harness.namespace.kubectl.run("patch", "pod", name_of(pod), "--type=json", f"-p={gone}")


def test_a_pod_deleted_while_it_pushes_finishes_that_first(harness: ClusterHarness) -> None:
    harness.tasks(TASK)
    harness.repository.pause("refs/heads/sdlc-runner/*")
    followed = Followed(harness.start("spawn", "T001", "--follow"))
    wait_for(lambda: harness.repository.has_flag("reached"), what="the push")
    delete(harness, the_pod(harness))
    time.sleep(1)
    harness.repository.flag("go")
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("succeeded", "verified")


def test_a_pod_killed_while_it_pushes_is_a_success_only_once_the_push_has_arrived(
    harness: ClusterHarness,
) -> None:
    harness.tasks(TASK)
    change(harness, lambda pod: pod.update(terminationGracePeriodSeconds=1))
    harness.repository.pause("refs/heads/sdlc-runner/*")
    followed = Followed(harness.start("spawn", "T001", "--follow"))
    wait_for(lambda: harness.repository.has_flag("reached"), what="the push")
    delete(harness, the_pod(harness))
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("interrupted", "pod_deleted")
    harness.repository.flag("go")
    wait_for(lambda: BRANCH in harness.remote_refs(), what="the push")
    told = harness.run("verify", "T001").outcome("T001")
    assert (told["outcome"], told["code"]) == ("succeeded", "verified_without_result")


def test_a_remote_that_is_away_while_it_pushes_is_waited_for(harness: ClusterHarness) -> None:
    harness.tasks(TASK)
    harness.agent("note('works'); hold(); pathlib.Path('T001.txt').write_text('done')")
    followed = Followed(harness.start("spawn", "T001", "--follow"))
    wait_for(lambda: "works" in harness.model.notes(), what="work")
    harness.repository.go_down(RECEIVE)
    harness.model.open()
    followed.wait_for("phase", phase="pushing")
    time.sleep(2)
    harness.repository.come_back()
    assert followed.result().outcome("T001")["outcome"] == "succeeded"


def test_a_token_revoked_meanwhile_is_a_push_that_failed(harness: ClusterHarness) -> None:
    harness.tasks(TASK)
    harness.agent("note('works'); hold(); pathlib.Path('T001.txt').write_text('done')")
    followed = Followed(harness.start("spawn", "T001", "--follow"))
    wait_for(lambda: "works" in harness.model.notes(), what="work")
    harness.repository.revoke()
    harness.model.open()
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("push_failed", "remote_forbidden")
    assert "Authentication failed" in outcome["message"]
    assert outcome["hint"]
