"""One attempt, started by anyone, however often, from wherever, and whatever has changed since."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.attempt import naming
from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask
from sdlc_runner.backends.kubernetes.job_spec import Clocks, build_job
from sdlc_runner.backends.kubernetes.pod_template import parse_template
from sdlc_runner.events.codec import AttemptKey
from support.cluster import namespaces
from support.cluster.background_verb import Followed
from support.cluster.changed_template import change, runner
from support.cluster.other_machine import other_machine
from support.cluster.pod_template import Form, pod_template
from support.cluster.waiting import wait_for
from support.harness import FEATURE

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TASK = "- [ ] T001 [ASYNC] Write `T001.txt`\n"
START = "refs/sdlc-runner/001-demo/T001/1/start"
# No attempt takes its lock, and none pushes its work, before the test says so.
ONE_BY_ONE = """
while read -r old new ref; do
  case $ref in */start) flag=start;; refs/heads/sdlc-runner/*) flag=push;; *) continue;; esac
  : >flags/reached
  while [ ! -e flags/$flag ]; do sleep 0.05; done
done
"""
ONCE = "note('began'); hold(); pathlib.Path('T001.txt').write_text('done')"


def starts(harness: ClusterHarness) -> list[str]:
    return [ref for ref in harness.remote_refs() if ref.endswith("/start")]


def test_two_that_start_it_at_the_same_moment_follow_one_attempt(harness: ClusterHarness) -> None:
    harness.tasks(TASK)
    harness.agent(ONCE)
    elsewhere = other_machine(harness)
    both = [Followed(each.start("spawn", "T001", "--follow")) for each in (harness, elsewhere)]
    for followed in both:
        followed.wait_for("phase", phase="working")
    harness.model.open()
    results = [followed.result() for followed in both]
    assert [result.outcome("T001")["outcome"] for result in results] == ["succeeded"] * 2
    told = sorted(event["type"] for result in results for event in result.events[:1])
    assert told == ["attached", "spawned"]
    assert (len(harness.namespace.jobs()), starts(harness)) == (1, [START])
    assert harness.model.notes() == ["began"]


def test_a_start_killed_at_any_moment_and_repeated_is_one_attempt(harness: ClusterHarness) -> None:
    harness.tasks(TASK)
    harness.agent(ONCE)
    for seconds in (0.3, 0.5, 0.7, 0.9, 1.2, 1.6):
        followed = Followed(harness.start("spawn", "T001", "--follow"))
        time.sleep(seconds)
        followed.kill()
    harness.model.open()
    outcome = harness.run("spawn", "T001", "--follow").outcome("T001")
    assert (outcome["outcome"], outcome["attempt"]) == ("succeeded", 1)
    assert (len(harness.namespace.jobs()), starts(harness)) == (1, [START])
    assert harness.model.notes() == ["began"]


def test_a_live_attempt_is_adopted_though_template_base_and_text_have_changed(
    harness: ClusterHarness,
) -> None:
    harness.tasks(TASK)
    harness.agent(ONCE)
    harness.run("spawn", "T001")
    wait_for(harness.model.notes, what="work")
    change(harness, lambda pod: runner(pod)["resources"]["requests"].update(cpu="60m"))
    harness.tasks(TASK.replace("Write", "Write all of"))
    result = harness.run("spawn", "T001")
    assert [event["type"] for event in result.events[:1]] == ["attached"]
    warnings = {event["code"]: event for event in result.of("warning")}
    assert set(warnings) == {"task_changed", "template_moved", "base_moved"}
    assert all("sdlc-runner cancel T001" in event["hint"] for event in warnings.values())
    assert len(harness.namespace.jobs()) == 1
    harness.model.open()
    assert harness.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"


def test_the_lock_holds_over_namespaces_and_backends(
    harness: ClusterHarness, cluster: Kubectl, request: pytest.FixtureRequest
) -> None:
    harness.tasks(TASK)
    name = f"sdlc-test-{uuid.uuid4().hex[:8]}"
    request.addfinalizer(lambda: namespaces.delete(cluster, name))
    namespaces.create(cluster, name, harness.repository, harness.model).kubectl.apply(
        pod_template(Form.ONE)
    )
    here = other_machine(harness)
    del here.env["SDLC_RUNNER_CLONE_URL"]
    harness.repository.hook("pre-receive", ONE_BY_ONE)
    three = [
        Followed(harness.start("spawn", "T001", "--follow")),
        Followed(harness.start("spawn", "T001", "--follow", SDLC_RUNNER_KUBERNETES_NAMESPACE=name)),
        Followed(here.start("spawn", "T001", "--follow", SDLC_RUNNER_BACKEND="local")),
    ]
    for followed in three:
        followed.wait_for("phase", phase="cloning")
    wait_for(lambda: harness.repository.has_flag("reached"), what="a push")
    harness.repository.flag("start")
    wait_for(lambda: sum(bool(followed.of("outcome")) for followed in three) == 2)
    harness.repository.flag("push")
    told = [followed.result().outcome("T001") for followed in three]
    ends = sorted((event["outcome"], event["code"]) for event in told)
    lost = ("rejected", "already_started")
    assert ends == [lost, lost, ("succeeded", "verified")]
    assert starts(harness) == [START]


def test_after_its_job_is_gone_an_attempt_is_reported_and_not_made_again(
    harness: ClusterHarness,
) -> None:
    harness.tasks(TASK)
    harness.run("spawn", "T001", "--follow")
    (job,) = harness.namespace.jobs()
    patch = json.dumps({"spec": {"ttlSecondsAfterFinished": 1}})
    harness.namespace.kubectl.run("patch", "job", job["metadata"]["name"], f"-p={patch}")
    wait_for(lambda: not harness.namespace.leftovers(), what="its time to live")
    result = harness.run("spawn", "T001", "--follow")
    assert (result.code, result.outcome("T001")["code"]) == (0, "verified")
    assert not result.of("spawned")
    assert '"type":"phase"' in harness.run("logs", "T001").stdout
    assert not harness.namespace.leftovers()


def test_the_api_takes_jobs_of_awkward_names(harness: ClusterHarness) -> None:
    awkward = [
        "T 001",
        "größer",
        "日本語",
        "👍🏽",
        "x" * 200,
        "a/b",
        "..",
        "--option",
        "$(id)",
        "a\nb",
    ]
    template = parse_template(pod_template(Form.TWO), "test")
    jobs = [
        build_job(template, spec_of(AttemptKey(feature, task, 1)), "here", Clocks(), 60)
        for feature in awkward[:5]
        for task in awkward
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": jobs}).encode()
    done = harness.namespace.kubectl.run("create", "--dry-run=server", "-f-", stdin=listed)
    assert done.count("created (server dry run)") == 50


def spec_of(key: AttemptKey) -> AttemptSpec:
    task = AttemptTask(key.task, f"Do {key.task}", f"- [ ] {key.task}\0\u202e\x1b[31m")
    identity = naming.Identity("host/team/app", key, (key.task,), task.text).hash
    branch = naming.branch("sdlc-runner", key)
    return AttemptSpec(
        key, identity, (task,), "url", "specs/x", FEATURE, "0" * 40, branch, origin="host/team/app"
    )
