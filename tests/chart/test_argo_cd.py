"""Argo CD on a real cluster: the development release from git, as its argocd.yaml says."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from chart.rendering import RELEASES, ROOT
from sdlc_runner import process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cluster.kubectl import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

NAME = RELEASES["dev"].name
SECONDS = "--timeout=90s"


@pytest.fixture
def argo(cluster: Kubectl) -> Kubectl:
    """Argo CD's namespace, with a repo-server that reads folders of this machine."""
    found = cluster.inside("argocd")
    if not found.try_run("get", "applications.argoproj.io").ok:
        pytest.skip("no Argo CD here; the test cluster has it as an addon")
    return found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for folder in ("charts", "releases"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path)
    return tmp_path


@pytest.fixture
def application(argo: Kubectl, agents: Kubectl, repository: Path) -> Iterator[str]:
    """The release's own Application, from this repository into the test's namespace."""
    name = f"application/{agents.namespace}"
    found = yaml.safe_load((RELEASES["dev"] / "argocd.yaml").read_text(encoding="utf-8"))
    found["metadata"]["name"] = agents.namespace
    found["spec"]["source"]["repoURL"] = f"file://{repository}"
    found["spec"]["source"]["helm"] = {"releaseName": NAME}
    found["spec"]["destination"]["namespace"] = agents.namespace
    argo.run("create", "--filename=-", stdin=json.dumps(found).encode())
    yield name
    argo.run("delete", name, "--wait=false")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    done = process.run(["git", *identity, *arguments], cwd=folder)
    assert done.ok, done.error_text
    return done.text


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Change")
    return git(folder, "rev-parse", "HEAD")


def wait_for_sync(argo: Kubectl, application: str, revision: str) -> None:
    argo.run("annotate", "--overwrite", application, "argocd.argoproj.io/refresh=hard")
    for path, value in [
        ("{.status.history[-1:].revision}", revision),
        ("{.status.sync.status}", "Synced"),
        ("{.status.health.status}", "Healthy"),
    ]:
        wanted = f"--for=jsonpath={path}={value}"
        argo.run("wait", application, wanted, SECONDS, seconds=100)


def test_a_change_in_git_reaches_the_template_and_leaves_the_password(
    argo: Kubectl, agents: Kubectl, application: str, repository: Path
) -> None:
    wait_for_sync(argo, application, git(repository, "rev-parse", "HEAD"))
    before = agents.get("secret", f"{NAME}-server-password")["data"]
    values = repository / "releases" / NAME / "values.yaml"
    text = values.read_text(encoding="utf-8")
    values.write_text(text.replace("tag: dev", "tag: changed"), encoding="utf-8")
    wait_for_sync(argo, application, commit(repository))
    pod = agents.get("podtemplate", NAME)["template"]["spec"]
    assert pod["containers"][0]["image"].endswith(":changed")
    assert agents.get("secret", f"{NAME}-server-password")["data"] == before
    assert not agents.items("pods"), "the pod of helm test is none of Argo CD's business"
