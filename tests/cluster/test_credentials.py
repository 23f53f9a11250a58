"""Git credentials in pods: taken from files, refreshed in place, and seen by nobody."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.cluster import kit
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cluster.harness import ClusterHarness
    from support.harness import Event, Result

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TASKS = "- [ ] T001 [ASYNC] Write `one.txt`\n"
WRITE = "pathlib.Path('one.txt').write_text('1')"
IN_ADDRESS = "a-password-in-an-address"
ACCOUNT = "/var/run/secrets/kubernetes.io"


def attempt(harness: ClusterHarness) -> tuple[Event, Result]:
    done = harness.run("run", "--detail", "full")
    return done.outcome("T001"), done


def secrets_of(harness: ClusterHarness) -> list[str]:
    """Return what nobody may see: the token, and the middle of the key."""
    key = harness.repository.private_key.read_text().splitlines()
    return [harness.repository.token, key[len(key) // 2]]


@contextlib.contextmanager
def watched_processes() -> Iterator[set[bytes]]:
    """Collect the arguments and environments of all processes that this machine shows."""
    seen: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for name in ("cmdline", "environ"):
                for file in Path("/proc").glob(f"[0-9]*/{name}"):
                    with contextlib.suppress(OSError):
                        seen.add(file.read_bytes())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


@pytest.mark.parametrize("transport", ["http", "ssh"])
def test_credentials_open_the_remote_and_show_nowhere(
    harness: ClusterHarness, transport: str
) -> None:
    if transport == "ssh":
        harness.clone_by_ssh()
    else:
        url = harness.repository.pod_url_http.replace("://", f"://somebody:{IN_ADDRESS}@")
        harness.env["SDLC_RUNNER_CLONE_URL"] = url
    harness.agent(f"note(os.path.exists({ACCOUNT!r}))\n{WRITE}")
    harness.tasks(TASKS)
    with watched_processes() as seen:
        outcome, done = attempt(harness)
    assert outcome["outcome"] == "succeeded", done.stdout
    assert harness.model.notes() == ["False"]
    (pod,), jobs = harness.namespace.pods(), harness.namespace.jobs()
    kept = [
        done.stdout,
        done.stderr,
        harness.namespace.log(pod["metadata"]["name"]),
        *harness.namespace.events(),
        json.dumps([pod, jobs]),
        harness.run("logs", "T001").stdout,
    ]
    assert IN_ADDRESS not in "\n".join(kept)
    shown = "\n".join(kept).encode() + b"".join(seen)
    assert not [secret for secret in secrets_of(harness) if secret.encode() in shown]
    assert b"sdlc_runner.worker.pod" in b"".join(seen) or kit.find() is None
    for ref in harness.remote_refs():
        held = harness.repository.git_bytes("log", "-p", "--format=%B", ref)
        assert not [secret for secret in secrets_of(harness) if secret.encode() in held]


def test_a_token_that_is_replaced_meanwhile_is_taken_for_the_push(harness: ClusterHarness) -> None:
    wait = "while pathlib.Path('/secrets/git/token').read_text() == old: time.sleep(0.1)"
    harness.agent(
        f"old = pathlib.Path('/secrets/git/token').read_text(); note('begun')\n{wait}\n{WRITE}"
    )
    harness.tasks(TASKS)
    old = harness.repository.token
    harness.run("spawn", "T001")
    wait_for(lambda: harness.model.notes() == ["begun"])
    new = harness.repository.replace_token()
    harness.namespace.secret("git-credentials", harness.repository.secret())
    (pod,) = harness.namespace.pods()
    # A change of the pod has the kubelet look at its volumes now, not within a minute.
    harness.namespace.kubectl.run("annotate", "pod", pod["metadata"]["name"], "sdlc-test/look=now")
    done = harness.run("follow", "T001", "--detail", "full")
    assert done.outcome("T001")["outcome"] == "succeeded", done.stdout
    assert not [token for token in (old, new) if token in done.stdout]


def strange_host(harness: ClusterHarness) -> dict[str, str]:
    own = harness.repository.private_key.with_suffix(".pub").read_text().split()[1]
    lines = [line.split() for line in harness.repository.known_hosts.splitlines()]
    known = "".join(f"{host} {kind} {own}\n" for host, kind, _ in lines)
    return {**harness.repository.secret(), "known_hosts": known}


def given(harness: ClusterHarness, name: str) -> dict[str, str]:
    """Return a git Secret in which something is wrong."""
    whole = harness.repository.secret()
    match name:
        case "another host key":
            return strange_host(harness)
        case "another token":
            return {**whole, "token": "wrong"}
        case "TOKEN for token":
            return {"TOKEN": whole["token"], "username": "robot"}
        case _:
            return {key: value for key, value in whole.items() if key != name.removeprefix("no ")}


BROKEN = {
    "another host key": "host_key_refused",
    "no known_hosts": "no_known_hosts",
    "another token": "remote_forbidden",
    "no token": "bad_credentials",
    "TOKEN for token": "bad_credentials",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_credentials_is_reported(harness: ClusterHarness, name: str) -> None:
    if "host" in name:
        harness.clone_by_ssh()
    harness.namespace.kubectl.run("delete", "secret", "git-credentials")
    harness.namespace.secret("git-credentials", given(harness, name))
    harness.tasks(TASKS)
    outcome, done = attempt(harness)
    assert (outcome["outcome"], outcome["code"]) == ("rejected", BROKEN[name]), done.stdout
    assert "Secret" in outcome["hint"]
    assert harness.repository.token not in done.stdout
