"""From tasks.md to merged and ticked work, with every attempt in a pod."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.cluster.pod_template import Form, pod_template
from support.harness import FEATURE
from support.model.server import Rule, calls, says, write

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness

RELEASE = Path(__file__).parents[2] / "releases" / "agentic-sdlc-agent-runner-dev"
pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_one_container_runs_a_task_to_its_tick(harness: ClusterHarness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    result = harness.run("run")
    assert result.code == 0, result.stderr
    assert result.outcome("T001")["outcome"] == "succeeded"
    assert harness.ticked() == {"T001"}
    assert harness.remote_file("T001.txt") == "done by T001"
    seqs = [event["seq"] for event in result.events if "seq" in event]
    assert seqs == list(range(1, len(seqs) + 1))


def test_two_containers_run_opencode(harness: ClusterHarness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `hello.txt`\n")
    harness.template(Form.TWO)
    harness.use_opencode()
    harness.model.rules(Rule("T001", (calls(write("@folder@/hello.txt", "hello\n")), says("done"))))
    result = harness.run("run", "--detail", "full")
    assert result.code == 0, result.stdout
    assert harness.remote_file("hello.txt") == "hello"
    assert [event["status"] for event in result.of("tool")] == ["running", "completed"]
    assert harness.ticked() == {"T001"}
    assert harness.remote_refs()[f"refs/heads/{FEATURE}"] == harness.git("rev-parse", "HEAD")


def install(harness: ClusterHarness) -> None:
    """Install the dev release as an administrator would, for this cluster's git and model."""
    config = harness.model.opencode_config()
    services = {
        "namespaceSelector": {"matchLabels": {"sdlc-test": "true"}},
        "ports": [8080, 2222],
    }
    values = {
        "agentic-sdlc-agent-runner": {
            "agent": {"resources": {"requests": {"cpu": "50m", "memory": "256Mi"}}},
            "runner": {"resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}},
            "secrets": {"server": {"existingSecret": "server-password"}},
            "opencode": {"model": config["model"], "providers": config["provider"]},
            "networkPolicy": {"git": [services], "model": [services]},
        }
    }
    file = harness.folder / "values.json"
    file.write_text(json.dumps(values))
    argv = ["helm", "upgrade", "--install", RELEASE.name, str(RELEASE), "--values", str(file)]
    done = subprocess.run(
        [*argv, "--namespace", harness.namespace.name],
        env={**os.environ, "KUBECONFIG": harness.env["KUBECONFIG"]},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_release_as_installed_runs_a_feature(harness: ClusterHarness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n- [ ] T002 [ASYNC] Write `T002.txt`\n")
    harness.namespace.kubectl.run("delete", "podtemplates", "--all")
    harness.use_opencode()
    harness.model.rules(
        *(
            Rule(f"Implement task {task} ", (calls(write(f"@folder@/{task}.txt", "x")), says("ok")))
            for task in ("T001", "T002")
        )
    )
    assert harness.run("spawn", "T001").error["code"] == "no_pod_template"
    install(harness)
    assert harness.run("run", "T001").code == 0
    # The same release rendered here instead of read there; its values stand in no file of it.
    away = harness.run("spawn", "T002", "--follow", "--release", str(RELEASE))
    assert away.of("spawned"), away.stdout
    assert harness.ticked() == {"T001"}
    jobs = harness.namespace.jobs("app.kubernetes.io/managed-by=sdlc-runner")
    images = {
        container["image"]
        for job in jobs
        for container in job["spec"]["template"]["spec"]["containers"]
    }
    assert len(jobs) == 2
    assert images == {"docker.io/local/sdlc-agent:dev"}


def test_a_template_of_a_file_is_used_as_it_is(harness: ClusterHarness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    harness.namespace.kubectl.run("delete", "podtemplates", "--all")
    template = pod_template(Form.ONE)
    template["template"]["metadata"]["labels"]["team"] = "blue"
    file = harness.folder / "template.json"
    file.write_text(json.dumps(template))
    result = harness.run("run", "--pod-template", str(file))
    assert result.code == 0, result.stdout
    (pod,) = harness.namespace.pods("team=blue")
    assert pod["metadata"]["labels"]["sdlc-runner/task"] == "t001"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no_pod_template"),
        ("kind: PodTemplate\ntemplate: {spec: {containers: []}}\n", "bad_pod_template"),
        ("kind: PodTemplate\ntemplate: 7\n", "bad_pod_template"),
        ("kind: [\n", "bad_config"),
    ],
)
def test_what_is_no_template_is_one_sentence(harness: ClusterHarness, text: str, code: str) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    file = harness.folder / "template.yaml"
    file.write_text(text)
    result = harness.run("spawn", "T001", "--pod-template", str(file))
    assert (result.code, result.error["code"]) == (2, code)
    assert not harness.namespace.jobs()
