"""The life of each release: installed, tested, worked with, changed, taken back, removed."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest

from support.chart.rendering import MAJORS, RELEASES, ROOT, STAGES, helm_program
from support.cluster import harness as cluster_rigs
from support.cluster import pod_security, releases, spawners
from support.cluster.namespaces import Namespace
from support.cluster.namespaces import delete as delete_namespace
from support.cluster.releases import DEVELOPER, Release
from support.cluster.waiting import wait_for
from support.model.server import Rule, calls, says, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Kubectl
    from support.cluster.repositories import Repository
    from support.cluster.scripted_model import ScriptedModel

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
# What the namespace itself, the administrator and attempts put there.
KEPT = {
    "configmap/kube-root-ca.crt",
    "serviceaccount/default",
    f"serviceaccount/{DEVELOPER}",
    "secret/git-credentials",
    "secret/model-keys",
}
OF_ATTEMPTS = ("job/", "pod/", "event/")


@pytest.fixture
def namespaces(cluster: Kubectl) -> Iterator[dict[str, Namespace]]:
    """A namespace for each stage, all of which enforce Pod Security restricted."""
    suffix = uuid.uuid4().hex[:6]
    found = {}
    for stage in STAGES:
        name = f"agent-runner-{stage}-{suffix}"
        cluster.create(pod_security.namespace(name))
        found[stage] = Namespace(name, cluster.inside(name))
    yield found
    for each in found.values():
        delete_namespace(cluster, each.name)


@pytest.fixture
def release(
    request: pytest.FixtureRequest,
    namespaces: dict[str, Namespace],
    git_repository: Repository,
    model: ScriptedModel,
    tmp_path: Path,
) -> Release:
    """The release of a stage, with its credentials and a developer, but not installed."""
    stage: str = request.param
    values = tmp_path / "values.json"
    values.write_text(json.dumps(releases.values(stage, git_repository, model)))
    namespaces[stage].kubectl.create(pod_security.service_account(DEVELOPER))
    return Release(stage, namespaces[stage], values)


@pytest.fixture
def developer(
    release: Release, git_repository: Repository, model: ScriptedModel, tmp_path: Path
) -> ClusterHarness:
    """A checkout of somebody with the release's Role and no other right."""
    folder = tmp_path / "rig"
    folder.mkdir()
    made = cluster_rigs.create(folder, git_repository, release.namespace, model)
    made.env["KUBECONFIG"] = spawners.kubeconfig(release.namespace, DEVELOPER, tmp_path)
    made.use_opencode()
    return made


def lies_here(namespace: Namespace) -> set[str]:
    """Everything in the namespace, as ``kind/name``."""
    listed = namespace.kubectl.run("api-resources", "--namespaced", "--verbs=list", "--output=name")
    kinds = ",".join(kind for kind in listed.split() if not kind.endswith("metrics.k8s.io"))
    names = namespace.kubectl.run("get", kinds, "--output=name", "--ignore-not-found").split()
    return {f"{kind.split('.')[0]}/{name}" for kind, name in (each.split("/") for each in names)}


def left_behind(namespace: Namespace) -> set[str]:
    found = {each for each in lies_here(namespace) if not each.startswith(OF_ATTEMPTS)}
    return found - KEPT


def rights(namespace: Namespace, account: str) -> str:
    who = f"--as=system:serviceaccount:{namespace.name}:{account}"
    groups = ["--as-group=system:serviceaccounts", "--as-group=system:authenticated"]
    return namespace.kubectl.run("auth", "can-i", "--list", who, *groups)


def works(developer: ClusterHarness, task: str) -> None:
    """A task goes from tasks.md to the merged branch."""
    turns = (calls(write(f"@folder@/{task}.txt", f"by {task}\n")), says("done"))
    developer.model.rules(Rule(f"Implement task {task} ", turns))
    result = developer.run("run", task)
    assert result.code == 0, result.stdout + developer.namespace.story()
    assert result.outcome(task)["outcome"] == "succeeded"
    assert developer.remote_file(f"{task}.txt") == f"by {task}"


@pytest.mark.parametrize("release", STAGES, indirect=True)
def test_a_release_from_installation_to_removal(
    release: Release, developer: ClusterHarness, git_repository: Repository
) -> None:
    developer.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n- [ ] T002 [ASYNC] Write `T002.txt`\n")
    release.upgrade()
    releases.give_secrets(release, git_repository)
    assert "FAILED" not in release.helm("test", release.name, "--logs", "--timeout=90s")
    assert developer.run("doctor").code == 0
    works(developer, "T001")
    assert rights(release.namespace, release.name) == rights(release.namespace, "nobody-made-it")

    before = release.template()["template"]
    release.upgrade("--set=agentic-sdlc-agent-runner.pod.terminationGracePeriodSeconds=45")
    assert release.template()["template"]["spec"]["terminationGracePeriodSeconds"] == 45
    release.helm("rollback", release.name, "1")
    assert release.template()["template"] == before
    works(developer, "T002")
    assert developer.ticked() == {"T001", "T002"}

    assert f"podtemplate/{release.name}" in left_behind(release.namespace)
    release.namespace.kubectl.run("wait", "--for=condition=Complete", "job", "--all")
    release.helm("uninstall", release.name, "--wait")
    wait_for(lambda: not left_behind(release.namespace), 20, "the removal of what it owned")


def commands_of_readme() -> list[list[str]]:
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.startswith("helm upgrade")]


@pytest.mark.parametrize("major", MAJORS)
def test_the_lines_of_the_readme_install_all_three(
    namespaces: dict[str, Namespace], tmp_path: Path, major: int
) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    written = {RELEASES[stage].name: stage for stage in STAGES}
    config = next(iter(namespaces.values())).kubectl.config
    for command in commands_of_readme():
        stage = written.pop(command[3])
        there = command.index(f"agent-runner-{stage}")
        command[0], command[there] = helm_program(major), namespaces[stage].name
        done = subprocess.run(
            command,
            cwd=clone,
            env={**os.environ, "KUBECONFIG": config},
            check=False,
            capture_output=True,
            text=True,
        )
        assert "STATUS: deployed" in done.stdout, done.stderr
    assert not written
    for stage, namespace in namespaces.items():
        objects = {f"podtemplate/{RELEASES[stage].name}", f"networkpolicy/{RELEASES[stage].name}"}
        assert objects <= lies_here(namespace)
