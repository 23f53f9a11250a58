"""``status`` and ``logs`` from cluster and remote alone, on another machine than the spawner's."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.cluster.pod_template import Form, pod_template
from support.harness import until

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness

pytestmark = pytest.mark.cluster


def elsewhere(harness: ClusterHarness) -> ClusterHarness:
    """The same user on another machine: another clone, another state directory."""
    folder = harness.folder / "elsewhere"
    folder.mkdir()
    shutil.copytree(harness.checkout, folder / "checkout")
    state = {"XDG_STATE_HOME": str(folder / "state")}
    return replace(harness, folder=folder, env={**harness.env, **state})


def test_what_waits_says_where_and_why(harness: ClusterHarness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    template = pod_template(Form.ONE)
    template["template"]["spec"]["nodeSelector"] = {"no": "such-node"}
    harness.namespace.kubectl.apply(template)
    assert harness.run("spawn", "T001").code == 0
    other = elsewhere(harness)
    until(lambda: other.run("status").of("row")[0].get("last"), 30)
    (row,) = other.run("status").of("row")
    assert (row["state"], row["phase"], row["backend"]) == ("running", "pending", "kubernetes")
    assert row["last"].startswith("No node can run the pod: ")
    assert row["elapsed"] >= 0
    assert row["where"].startswith(f"{harness.namespace.name}/sdlc-001-demo-t001-1-")


def test_work_is_seen_from_another_machine_and_its_end_too(harness: ClusterHarness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    harness.agent("print('half way', flush=True)\nhold()\npathlib.Path('T001.txt').write_text('x')")
    assert harness.run("spawn", "T001").code == 0
    other = elsewhere(harness)
    until(lambda: "half way" in str(other.run("status").of("row")[0].get("last")), 30)
    (row,) = other.run("status").of("row")
    assert (row["state"], row["phase"]) == ("running", "working")
    harness.model.open()
    followed = other.run("follow", "T001")
    assert followed.outcome("T001")["outcome"] == "succeeded"
    (row,) = other.run("status").of("row")
    assert (row["state"], row["outcome"]) == ("ended", "succeeded")
    from_pod = other.run("logs", "T001")
    harness.namespace.kubectl.run("delete", "jobs", "--all", "--wait")
    from_remote = other.run("logs", "T001")
    events = [event for event in from_pod.events if "seq" in event]
    assert events[-1]["type"] == "result"
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["seq"] for event in from_remote.events if "seq" in event][: len(events)] == [
        event["seq"] for event in events
    ]
    assert other.run("merge").code == 0
    assert harness.ticked() == {"T001"}
