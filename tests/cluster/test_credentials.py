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

    from support.cluster.harness import ClusterRig
    from support.harness import Event, Result

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TASKS = "- [ ] T001 [ASYNC] Write `one.txt`\n"
WRITE = "pathlib.Path('one.txt').write_text('1')"
IN_ADDRESS = "a-password-in-an-address"
ACCOUNT = "/var/run/secrets/kubernetes.io"


def attempt(rig: ClusterRig) -> tuple[Event, Result]:
    done = rig.run("run", "--detail", "full")
    return done.outcome("T001"), done


def secrets_of(rig: ClusterRig) -> list[str]:
    """Return what nobody may see: the token, and the middle of the key."""
    key = rig.repository.private_key.read_text().splitlines()
    return [rig.repository.token, key[len(key) // 2]]


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
def test_credentials_open_the_remote_and_show_nowhere(rig: ClusterRig, transport: str) -> None:
    if transport == "ssh":
        rig.clone_by_ssh()
    else:
        url = rig.repository.pod_url_http.replace("://", f"://somebody:{IN_ADDRESS}@")
        rig.env["SDLC_RUNNER_CLONE_URL"] = url
    rig.agent(f"note(os.path.exists({ACCOUNT!r}))\n{WRITE}")
    rig.tasks(TASKS)
    with watched_processes() as seen:
        outcome, done = attempt(rig)
    assert outcome["outcome"] == "succeeded", done.stdout
    assert rig.model.notes() == ["False"]
    (pod,), jobs = rig.namespace.pods(), rig.namespace.jobs()
    kept = [
        done.stdout,
        done.stderr,
        rig.namespace.log(pod["metadata"]["name"]),
        *rig.namespace.events(),
        json.dumps([pod, jobs]),
        rig.run("logs", "T001").stdout,
    ]
    assert IN_ADDRESS not in "\n".join(kept)
    shown = "\n".join(kept).encode() + b"".join(seen)
    assert not [secret for secret in secrets_of(rig) if secret.encode() in shown]
    assert b"sdlc_runner.worker.pod" in b"".join(seen) or kit.find() is None
    for ref in rig.remote_refs():
        held = rig.repository.git_bytes("log", "-p", "--format=%B", ref)
        assert not [secret for secret in secrets_of(rig) if secret.encode() in held]


def test_a_token_that_is_replaced_meanwhile_is_taken_for_the_push(rig: ClusterRig) -> None:
    wait = "while pathlib.Path('/secrets/git/token').read_text() == old: time.sleep(0.1)"
    rig.agent(
        f"old = pathlib.Path('/secrets/git/token').read_text(); note('begun')\n{wait}\n{WRITE}"
    )
    rig.tasks(TASKS)
    old = rig.repository.token
    rig.run("spawn", "T001")
    wait_for(lambda: rig.model.notes() == ["begun"])
    new = rig.repository.replace_token()
    rig.namespace.secret("git-credentials", rig.repository.secret())
    (pod,) = rig.namespace.pods()
    # A change of the pod has the kubelet look at its volumes now, not within a minute.
    rig.namespace.kubectl.run("annotate", "pod", pod["metadata"]["name"], "sdlc-test/look=now")
    done = rig.run("follow", "T001", "--detail", "full")
    assert done.outcome("T001")["outcome"] == "succeeded", done.stdout
    assert not [token for token in (old, new) if token in done.stdout]


def strange_host(rig: ClusterRig) -> dict[str, str]:
    own = rig.repository.private_key.with_suffix(".pub").read_text().split()[1]
    lines = [line.split() for line in rig.repository.known_hosts.splitlines()]
    known = "".join(f"{host} {kind} {own}\n" for host, kind, _ in lines)
    return {**rig.repository.secret(), "known_hosts": known}


def given(rig: ClusterRig, name: str) -> dict[str, str]:
    """Return a git Secret in which something is wrong."""
    whole = rig.repository.secret()
    match name:
        case "another host key":
            return strange_host(rig)
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
def test_what_is_wrong_with_credentials_is_told(rig: ClusterRig, name: str) -> None:
    if "host" in name:
        rig.clone_by_ssh()
    rig.namespace.kubectl.run("delete", "secret", "git-credentials")
    rig.namespace.secret("git-credentials", given(rig, name))
    rig.tasks(TASKS)
    outcome, done = attempt(rig)
    assert (outcome["outcome"], outcome["code"]) == ("rejected", BROKEN[name]), done.stdout
    assert "Secret" in outcome["hint"]
    assert rig.repository.token not in done.stdout
