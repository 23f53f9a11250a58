"""The scripts of the first specification, without a checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import harness as rigs
from support.harness import FEATURE

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness

pytestmark = pytest.mark.cluster

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(harness: ClusterHarness, name: str, *args: str, **env: str) -> rigs.Result:
    """Run a script in a folder that is no repository, with the namespace in a variable."""
    away = harness.folder / "away"
    away.mkdir(exist_ok=True)
    kept = {
        name: value
        for name, value in harness.env.items()
        if name not in {"SDLC_RUNNER_BACKEND", "SDLC_RUNNER_KUBERNETES_NAMESPACE"}
    }
    done = subprocess.run(
        [SCRIPTS / name, *args],
        cwd=away,
        env={**kept, "NAMESPACE": harness.namespace.name, **env},
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return rigs.Result(done.returncode, rigs.parse(done.stdout), done.stdout, done.stderr)


def test_a_task_is_spawned_and_followed_without_a_checkout(harness: ClusterHarness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    before = harness.remote_refs()[f"refs/heads/{FEATURE}"]
    url = harness.repository.host_url
    spawned = script(harness, "spawn-pod.sh", "task-001", FEATURE, url)
    assert spawned.code == 0, spawned.stdout + spawned.stderr
    again = script(harness, "spawn-pod.sh", "task-001", FEATURE, url)
    assert [event["type"] for event in again.events] == ["attached"]
    (pod,) = harness.namespace.pods()
    followed = script(harness, "tail-logs.sh", pod["metadata"]["name"])
    assert followed.code == 0, followed.stdout
    assert followed.outcome("T001")["outcome"] == "succeeded"
    head = harness.remote_refs()[f"refs/heads/{FEATURE}"]
    assert harness.git("rev-parse", f"{head}^", cwd=harness.remote) == before
    assert harness.remote_file("T001.txt") == "done by T001"
    assert len(harness.namespace.jobs()) == 1


def test_the_ssh_key_of_a_named_secret_is_used(harness: ClusterHarness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    secret = {key: harness.repository.secret()[key] for key in ("ssh-privatekey", "known_hosts")}
    harness.namespace.secret("deploy-key", secret)
    harness.namespace.secret("git-credentials", {"token": "none"})
    harness.clone_by_ssh()
    words = ("task-001", FEATURE, harness.repository.host_url, "--follow")
    done = script(harness, "spawn-pod.sh", *words, SSH_SECRET_NAME="deploy-key")
    assert done.code == 0, done.stdout + done.stderr
    assert done.outcome("T001")["outcome"] == "succeeded"


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("spawn-pod.sh", ("task-009", FEATURE), "bad_scope"),
        ("spawn-pod.sh", ("task-001", "no-such-branch"), "feature_not_pushed"),
        ("tail-logs.sh", ("no-such-pod",), "cluster_refused"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    harness: ClusterHarness, name: str, args: tuple[str, ...], code: str
) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    url = (harness.repository.host_url,) if name == "spawn-pod.sh" else ()
    assert script(harness, name, *args, *url).error["code"] == code
    assert not harness.namespace.jobs()
