"""Pods of a rig's feature, whose agent is a server that plays."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask
from sdlc_runner.config.settings import Limits
from support.agent_fixtures import SPEC
from support.kubernetes import local_pod
from support.opencode.fake_agent_server import IDLE, FakeServer, Listener, finish, part, tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.harness import Harness


MakePod = Callable[..., local_pod.Pod]


@contextlib.contextmanager
def pods_of(harness: Harness, folder: Path) -> Iterator[MakePod]:
    """Yield what makes a pod for a task of the rig's feature; at the end all of them are ended."""
    harness.tasks("## Phase 1: Setup\n\n- [ ] T001 [ASYNC] Write `T001.txt`\n")
    made: list[local_pod.Pod] = []

    def one(**changes: Any) -> local_pod.Pod:  # noqa: ANN401
        base = harness.git("rev-parse", "HEAD")
        given: dict[str, Any] = {
            "base": base,
            "remote": str(harness.remote),
            "limits": Limits(run_seconds=60, idle_seconds=20, grace_seconds=2),
            "tasks": (AttemptTask("T001", "Write", "T001 Write `T001.txt`"),),
        }
        spec: AttemptSpec = replace(SPEC, **{**given, **changes})
        made.append(
            local_pod.Pod(folder / f"pod{len(made)}", spec.to_json(), local_pod.environment())
        )
        return made[-1]

    try:
        yield one
    finally:
        for pod in made:
            pod.stop()


def works(
    pod: local_pod.Pod, work: Callable[[Listener], None] = lambda _: None
) -> Callable[[Listener], None]:
    """Return a stream in which the agent writes a file, does some more, and ends well."""

    def play(listener: Listener) -> None:
        (pod.workspace / "T001.txt").write_text("done")
        work(listener)
        said = part("text", "prt_5", text="Done.", time={"start": 1, "end": 2})
        listener.send(tool("completed"), said, finish(), IDLE)
        listener.hold()

    return play


def serve(
    pod: local_pod.Pod, work: Callable[[Listener], None] = lambda _: None, **env: str
) -> tuple[int, FakeServer]:
    """Run a pod's runner with a server that plays the agent; returns its exit code."""
    with FakeServer([works(pod, work)]) as fake:
        pod.port = fake.port
        return pod.run("runner", **env), fake
