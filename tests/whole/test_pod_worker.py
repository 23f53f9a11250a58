"""The containers of an attempt's pod, from the specification to the claim that it leaves."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.attempt.spec import AttemptTask
from sdlc_runner.config.settings import AgentSettings
from support.agent_fixtures import python
from support.harness import FEATURE, VALIDATOR, Harness, until
from support.kubernetes import local_pod, pod_scenes
from support.kubernetes.pod_scenes import serve, works
from support.opencode.fake_agent_server import ROOT, FakeServer, Listener

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.kubernetes.pod_scenes import MakePod


REFS = f"refs/sdlc-runner/{FEATURE}/T001/1"
BRANCH = f"sdlc-runner/{FEATURE}/T001-1"
TOKEN = "token-of-the-test-1"
WRITE = "open('T001.txt', 'w').write('done')"


@pytest.fixture
def make(harness: Harness, tmp_path: Path) -> Iterator[MakePod]:
    """Return what makes a pod for a task of the rig's feature."""
    with pod_scenes.pods_of(harness, tmp_path) as one:
        yield one


def test_work_becomes_a_branch_a_transcript_and_a_claim(harness: Harness, make: MakePod) -> None:
    pod = make()
    code, fake = serve(pod, SDLC_RUNNER_WHERE="kubernetes:dev/job")
    assert (code, pod.errors()) == (0, "")
    head = harness.git("rev-parse", BRANCH, cwd=harness.remote)
    assert pod.claim == {
        "seq": len(pod.events()),
        "status": "succeeded",
        "code": "committed",
        "message": "Committed.",
        "base": harness.git("rev-parse", "HEAD"),
        "head": head,
        "branch": BRANCH,
        "tasks": [{"task": "T001", "status": "succeeded", "code": "committed", "commit": head}],
    }
    assert harness.remote_file("T001.txt", BRANCH) == "done"
    start = harness.git("log", "-1", "--format=%B", f"{REFS}/start", cwd=harness.remote)
    assert "Where: kubernetes:dev/job" in start
    assert "Backend: kubernetes" in start
    journal = (pod.root / "attempt/events.jsonl").read_text()
    assert journal == (pod.root / "runner.out").read_text()
    assert harness.remote_file("events.jsonl", f"{REFS}/transcript") == journal.strip()
    for event in pod.events():
        VALIDATOR.validate(event)
    assert fake.calls[0] == "GET /global/health"


def test_the_agent_starts_before_the_lock_is_taken_only_by_its_health(
    harness: Harness, make: MakePod
) -> None:
    pod = make()
    with FakeServer([works(pod)], {"GET /global/health": (401, None)}) as fake:
        pod.port = fake.port
        assert pod.run() == 1
    assert pod.claim["code"] == "agent_server_refused"
    assert f"{REFS}/start" not in harness.remote_refs()


def test_one_container_does_the_same(harness: Harness, make: MakePod) -> None:
    script = f"import os; {WRITE}; print(sorted(os.environ), os.environ['HOME'])"
    pod = make(agent=AgentSettings(command=python(script)))
    pod.secret("model", "ANTHROPIC_API_KEY", "model-key-of-the-test\n")
    assert pod.run("single", GIT_DIR="/nowhere") == 0
    assert pod.claim["head"] == harness.git("rev-parse", BRANCH, cwd=harness.remote)
    said = next(event["text"] for event in pod.events("single") if event["type"] == "log")
    assert "ANTHROPIC_API_KEY" in said
    assert "SDLC_RUNNER" not in said
    assert "TMPDIR" not in said
    assert said.endswith(str(pod.root / "home/agent"))


def test_a_failure_is_claimed_and_exits_with_1(make: MakePod) -> None:
    pod = make(agent=AgentSettings(command=python("raise SystemExit(3)")))
    assert pod.run("single") == 1
    assert (pod.claim["status"], pod.claim["code"]) == ("failed", "agent_failed")


def test_no_specification_is_reported_where_kubernetes_keeps_it(make: MakePod) -> None:
    pod = make()
    (pod.root / "etc/sdlc-runner/spec.json").write_text("{")
    assert pod.run() == 2
    assert (pod.claim["status"], pod.claim["seq"]) == ("failed", 0)
    assert pod.events() == []
    assert "Traceback" not in pod.errors()


def test_no_password_is_reported(make: MakePod) -> None:
    pod = make()
    (pod.root / "secrets/server/server-password").unlink()
    assert pod.run() == 1
    assert "server-password" in pod.claim["message"]
    assert "Traceback" not in pod.errors()


@pytest.mark.parametrize("arguments", [(), ("both",), ("runner", "x")])
def test_an_unknown_role_is_refused(make: MakePod, arguments: tuple[str, ...]) -> None:
    pod = make()
    command = [*python("")[:1], "-m", "sdlc_runner.worker.pod", *arguments]
    child = local_pod.call(command, pod.env)
    assert child.returncode == 2
    assert "runner|agent|single" in child.stderr


def test_being_terminated_saves_the_work(harness: Harness, make: MakePod) -> None:
    pod = make()
    with FakeServer([works(pod, lambda listener: listener.hold())]) as fake:
        pod.port = fake.port
        child = pod.start("runner")
        until((pod.workspace / "T001.txt").exists)
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 143
    assert f"POST /session/{ROOT}/abort" in fake.calls
    assert (pod.claim["status"], pod.claim["code"]) == ("interrupted", "signal")
    assert harness.remote_file("T001.txt", f"{REFS}/checkpoint") == "done"


def test_being_terminated_while_the_server_starts_needs_no_server(
    harness: Harness, make: MakePod
) -> None:
    pod = make()
    child = pod.start("runner")
    until((pod.workspace / ".git").exists)
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 143
    assert pod.claim["status"] == "interrupted"
    assert f"{REFS}/start" not in harness.remote_refs()


def test_a_server_that_dies_fails_the_attempt_and_keeps_its_work(
    harness: Harness, make: MakePod
) -> None:
    pod = make()

    def die(_: Listener) -> None:
        raise ConnectionResetError

    with FakeServer([works(pod, die)]) as fake:
        fake.answers[f"GET /session/{ROOT}"] = (404, None)
        pod.port = fake.port
        assert pod.run() == 1
    assert (pod.claim["status"], pod.claim["code"]) == ("failed", "agent_server_died")
    assert harness.remote_file("T001.txt", f"{REFS}/checkpoint") == "done"


@pytest.mark.parametrize(
    ("remote", "key", "code", "says"),
    [
        ("ssh://git@localhost:1/x.git", "ssh-privatekey", "no_known_hosts", "known_hosts"),
        ("ssh://git@localhost:1/x.git", "ssh_key", "bad_credentials", "it has ssh_key"),
        ("git@localhost:x.git", "token", "bad_credentials", "no ssh-privatekey, which SSH needs"),
        ("http://localhost:1/x.git", "TOKEN", "bad_credentials", "no token, which HTTP needs"),
    ],
)
def test_a_git_secret_without_the_key_that_counts_is_rejected_with_a_remedy(
    make: MakePod, remote: str, key: str, code: str, says: str
) -> None:
    pod = make(remote=remote)
    pod.secret("git", key, "a key\n")
    assert pod.run() == 1
    (told,) = pod.events()[-1]["tasks"]
    assert (pod.claim["status"], pod.claim["code"]) == ("rejected", code)
    assert says in told["message"]
    assert "Secret" in told["hint"]


def test_the_claim_fits_whatever_the_attempt_was(make: MakePod) -> None:
    many = tuple(AttemptTask(f"T{n:03}", "Write", f"T{n:03} Write") for n in range(1, 90))
    pod = make(tasks=many, agent=AgentSettings(command=python("raise SystemExit(3)")))
    assert pod.run("single") == 1
    assert pod.claim["code"] == "agent_failed"
    assert "tasks" not in pod.claim
    assert len(json.dumps(pod.events("single")[-1])) > 4096
