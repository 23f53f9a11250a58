"""From tasks.md to merged and ticked work, with every attempt in a pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster.pod_template import Form
from model_server import Rule, calls, says, write
from rig import FEATURE

if TYPE_CHECKING:
    from cluster.cluster_rig import ClusterRig

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_one_container_runs_a_task_to_its_tick(rig: ClusterRig) -> None:
    rig.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    result = rig.run("run")
    assert result.code == 0, result.stderr
    assert result.outcome("T001")["outcome"] == "succeeded"
    assert rig.ticked() == {"T001"}
    assert rig.remote_file("T001.txt") == "done by T001"
    seqs = [event["seq"] for event in result.events if "seq" in event]
    assert seqs == list(range(1, len(seqs) + 1))


def test_two_containers_run_opencode(rig: ClusterRig) -> None:
    rig.tasks("- [ ] T001 [ASYNC] Write `hello.txt`\n")
    rig.template(Form.TWO)
    rig.use_opencode()
    rig.model.rules(Rule("T001", (calls(write("@folder@/hello.txt", "hello\n")), says("done"))))
    result = rig.run("run", "--detail", "full")
    assert result.code == 0, result.stdout
    assert rig.remote_file("hello.txt") == "hello"
    assert [event["status"] for event in result.of("tool")] == ["running", "completed"]
    assert rig.ticked() == {"T001"}
    assert rig.remote_refs()[f"refs/heads/{FEATURE}"] == rig.git("rev-parse", "HEAD")
