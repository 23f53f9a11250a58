"""Programs that a scripted model has its shell run, and all that anybody gets to see of them."""

from __future__ import annotations

import contextlib
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.harness import FEATURE, Result, parse
from support.model.server import Call, Rule, calls, says, shell

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Iterator

    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Manifest
    from support.model.server import Turn

AGENTS = Path(__file__).with_name("agents")
BRANCH = f"sdlc-runner/{FEATURE}/T001-1"
META = f"refs/sdlc-runner/{FEATURE}"
_MINUTES = 10 * 60_000


def program(name: str, *args: str) -> Call:
    """Run one of the programs beside this file in the agent's shell."""
    text = (AGENTS / f"{name}.py").read_text()
    words = shlex.join(["python3", "-", *args])
    return shell(f"{words} <<'END'\n{text}\nEND", timeout=_MINUTES)


def task(id_: str, *turns: Turn | Call) -> Rule:
    """Play turns for a task, and then say that it is done."""
    played = [calls(turn) if isinstance(turn, Call) else turn for turn in turns]
    return Rule(rf"Implement task {id_} ", (*played, says("done")))


def results(harness: ClusterHarness, id_: str) -> list[str]:
    """Return what the agent's tools answered in a task."""
    asked = [each for each in harness.model.requests() if f"Implement task {id_} " in each.prompt]
    return max((list(each.results) for each in asked), key=len)


def objects(harness: ClusterHarness) -> bytes:
    """Return everything that the remote has, reachable or not."""
    return harness.repository.git_bytes("cat-file", "--batch-all-objects", "--batch")


def shown(harness: ClusterHarness, result: Result) -> bytes:
    """Return what anybody but the agent can see: output, cluster, logs and the remote."""
    kubectl = harness.namespace.kubectl
    names = [pod["metadata"]["name"] for pod in harness.namespace.pods()]
    logs = [kubectl.run("logs", name, "--all-containers") for name in names]
    cluster = json.dumps(kubectl.get("jobs,pods,events,configmaps"))
    return "".join([result.stdout, result.stderr, cluster, *logs]).encode() + objects(harness)


def git_secrets(harness: ClusterHarness) -> list[bytes]:
    """Return pieces of the credentials of git, such that no part of one goes unnoticed."""
    key = harness.repository.private_key.read_text().splitlines()
    return [harness.repository.token[:20].encode(), *(line[:20].encode() for line in key[1:-1])]


def assert_no_secret(seen: bytes, secrets: list[bytes]) -> None:
    assert not [secret for secret in secrets if secret in seen]


@contextlib.contextmanager
def running(
    harness: ClusterHarness, verb: str, words: Iterable[str]
) -> Iterator[subprocess.Popen[str]]:
    """Start a verb; whatever happens, it does not run on."""
    child = harness.start(verb, "--detail", "full", *words)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def ended(child: subprocess.Popen[str], seconds: float = 60) -> Result:
    """Wait for the end of a verb."""
    out, err = child.communicate(timeout=seconds)
    assert "Traceback" not in err, err
    return Result(child.returncode, parse(out), out, err)


def pod_of(harness: ClusterHarness, id_: str) -> Manifest:
    """Return the pod of a task's first attempt."""
    part = f"-{id_.lower()}-1-"
    (found,) = [pod for pod in harness.namespace.pods() if part in pod["metadata"]["name"]]
    return found


def claim(harness: ClusterHarness) -> dict[str, Any]:
    """Return the runner's termination message, of the only pod."""
    (pod,) = harness.namespace.pods()
    (status,) = pod["status"]["containerStatuses"]
    said: dict[str, Any] = json.loads(status["state"]["terminated"]["message"])
    return said
