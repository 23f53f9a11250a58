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
    from support.cluster.harness import ClusterRig
    from support.cluster.kubectl import Manifest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_a_pod_deleted_while_it_clones_begins_again_and_succeeds(rig: ClusterRig) -> None:
    rig.tasks(TASK)
    change(rig, lambda pod: pod.update(schedulingGates=[{"name": "example.com/gate"}]))
    followed = Followed(rig.start("run"))
    followed.wait_for("queued")
    rig.template(Form.ONE)
    rig.repository.slow_down(60, UPLOAD)
    open_gate(rig, the_pod(rig))
    followed.wait_for("phase", phase="cloning")
    delete(rig, the_pod(rig))
    rig.repository.come_back()
    result = followed.result()
    told = [(event["outcome"], event["code"]) for event in result.of("outcome")]
    assert told == [("interrupted", "pod_deleted"), ("succeeded", "verified")]
    assert rig.ticked() == {"T001"}
    assert {BRANCH, f"{REFS}/start"} <= set(rig.remote_refs())


def open_gate(rig: ClusterRig, pod: Manifest) -> None:
    gone = json.dumps([{"op": "remove", "path": "/spec/schedulingGates"}])
    rig.namespace.kubectl.run("patch", "pod", name_of(pod), "--type=json", f"-p={gone}")


def test_a_pod_deleted_while_it_pushes_finishes_that_first(rig: ClusterRig) -> None:
    rig.tasks(TASK)
    rig.repository.pause("refs/heads/sdlc-runner/*")
    followed = Followed(rig.start("spawn", "T001", "--follow"))
    wait_for(lambda: rig.repository.has_flag("reached"), what="the push")
    delete(rig, the_pod(rig))
    time.sleep(1)
    rig.repository.flag("go")
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("succeeded", "verified")


def test_a_pod_killed_while_it_pushes_is_a_success_only_once_the_push_has_arrived(
    rig: ClusterRig,
) -> None:
    rig.tasks(TASK)
    change(rig, lambda pod: pod.update(terminationGracePeriodSeconds=1))
    rig.repository.pause("refs/heads/sdlc-runner/*")
    followed = Followed(rig.start("spawn", "T001", "--follow"))
    wait_for(lambda: rig.repository.has_flag("reached"), what="the push")
    delete(rig, the_pod(rig))
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("interrupted", "pod_deleted")
    rig.repository.flag("go")
    wait_for(lambda: BRANCH in rig.remote_refs(), what="the push")
    told = rig.run("verify", "T001").outcome("T001")
    assert (told["outcome"], told["code"]) == ("succeeded", "verified_without_result")


def test_a_remote_that_is_away_while_it_pushes_is_waited_for(rig: ClusterRig) -> None:
    rig.tasks(TASK)
    rig.agent("note('works'); hold(); pathlib.Path('T001.txt').write_text('done')")
    followed = Followed(rig.start("spawn", "T001", "--follow"))
    wait_for(lambda: "works" in rig.model.notes(), what="work")
    rig.repository.go_down(RECEIVE)
    rig.model.open()
    followed.wait_for("phase", phase="pushing")
    time.sleep(2)
    rig.repository.come_back()
    assert followed.result().outcome("T001")["outcome"] == "succeeded"


def test_a_token_revoked_meanwhile_is_a_push_that_failed(rig: ClusterRig) -> None:
    rig.tasks(TASK)
    rig.agent("note('works'); hold(); pathlib.Path('T001.txt').write_text('done')")
    followed = Followed(rig.start("spawn", "T001", "--follow"))
    wait_for(lambda: "works" in rig.model.notes(), what="work")
    rig.repository.revoke()
    rig.model.open()
    outcome = followed.result().outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("push_failed", "remote_forbidden")
    assert "Authentication failed" in outcome["message"]
    assert outcome["hint"]
