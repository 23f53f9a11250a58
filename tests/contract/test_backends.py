"""What every backend does: one set of tests that each of them passes.

Local attempts are real processes with a git remote; Kubernetes is a cluster on the wire.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.attempt import naming
from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask
from sdlc_runner.backends.kubernetes.backend import KubernetesBackend
from sdlc_runner.backends.local import LocalBackend
from sdlc_runner.config import loader
from sdlc_runner.config.settings import AgentSettings
from sdlc_runner.errors import Code, RunnerError
from sdlc_runner.events.codec import AttemptKey
from support import harness as harnesses
from support.kubernetes.api_wire import opened
from support.kubernetes.fake_cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sdlc_runner.backends.base import AttemptStatus, Backend

FEATURE = "001-demo"
AGENT = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)"


@dataclass
class Bench:
    """A backend whose attempts work until ``let_go``; ``again`` opens it a second time."""

    backend: Backend
    again: Callable[[], Backend]
    remote: str
    base: str
    command: tuple[str, ...]
    let_go: Callable[[], None]

    def spec(self, task: str = "T001", feature: str = FEATURE) -> AttemptSpec:
        key = AttemptKey(feature, task, 1)
        work = AttemptTask(task, "Write", f"{task} Write")
        return AttemptSpec(
            key=key,
            identity=naming.Identity(self.remote, key, (task,), work.text).hash,
            tasks=(work,),
            remote=self.remote,
            feature_dir=f"specs/{feature}",
            feature_branch=feature,
            base=self.base,
            branch=naming.branch("sdlc-runner", key),
            agent=AgentSettings(command=self.command),
            backend=self.backend.kind,
            origin=self.remote,
        )

    def start(self, task: str = "T001", feature: str = FEATURE) -> AttemptStatus:
        status, started = self.backend.start(self.spec(task, feature))
        assert started
        return status

    def ended(self, status: AttemptStatus) -> AttemptStatus:
        deadline = time.monotonic() + 30
        while (found := self.backend.refresh(status)).ending.alive:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return found


def local(folder: Path) -> Iterator[Bench]:
    harness = harnesses.create(folder)
    gate, state = folder / "gate", folder / "state"
    command = (sys.executable, "-c", AGENT, str(gate))
    backend = LocalBackend(state, harness.env)
    again = lambda: LocalBackend(state, harness.env)  # noqa: E731
    base = harness.git("rev-parse", "HEAD")
    bench = Bench(backend, again, str(harness.remote), base, command, gate.touch)
    yield bench
    gate.touch()
    for feature in (FEATURE, "002-other"):
        for status in backend.list_attempts(feature, bench.remote):
            bench.ended(status)


def kubernetes(folder: Path) -> Iterator[Bench]:
    settings = loader.load(None, {}, folder).settings
    with closing(FakeCluster()) as cluster, ExitStack() as stack:

        def again() -> KubernetesBackend:
            backend = KubernetesBackend(opened(cluster.api, folder), settings)
            return stack.enter_context(closing(backend))

        remote = "https://example.org/team/app.git"
        yield Bench(again(), again, remote, "0" * 40, (), cluster.let_go)


@pytest.fixture(params=[local, kubernetes], ids=["local", "kubernetes"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield from request.param(tmp_path)


def test_a_second_start_adopts_the_attempt(bench: Bench) -> None:
    first = bench.start()
    second, started = bench.again().start(bench.spec())
    assert not started
    assert (second.name, second.ending.alive) == (first.name, True)


def test_an_ended_attempt_starts_again_only_when_asked(bench: Bench) -> None:
    status = bench.start()
    assert not bench.backend.start(bench.spec(), renew=True)[1], "it is alive"
    bench.let_go()
    bench.ended(status)
    assert not bench.backend.start(bench.spec())[1]
    renewed, started = bench.backend.start(bench.spec(), renew=True)
    assert (started, renewed.name) == (True, status.name)


def test_attempts_are_found_by_feature_and_remote(bench: Bench) -> None:
    names = {bench.start(task).name for task in ("T001", "T002")}
    bench.start("T001", "002-other")
    other = bench.again()
    assert {item.name for item in other.list_attempts(FEATURE, bench.remote)} == names
    found = {
        item.spec.key.task: item.spec.tasks for item in other.list_attempts(FEATURE, bench.remote)
    }
    assert found["T001"] == bench.spec().tasks
    assert other.list_attempts("003-none", bench.remote) == []
    assert other.list_attempts(FEATURE, "https://example.org/another.git") == []


def test_a_tail_brings_the_whole_log_and_then_is_over(bench: Bench) -> None:
    status = bench.start()
    tail, log = bench.backend.tail(status), b""
    bench.let_go()
    deadline = time.monotonic() + 40
    with closing(tail):
        while not (update := tail.poll_log()).over:
            log += update.log
            assert time.monotonic() < deadline
            bench.backend.wait(0.1)
        log += update.log
    assert log
    assert log == b"".join(bench.backend.log(status))
    assert log.endswith(bench.backend.newest(status))


def test_a_cancelled_attempt_ends_as_cancelled(bench: Bench) -> None:
    status = bench.start()
    assert bench.backend.refresh(status).ending.alive
    bench.backend.cancel(status)
    ending = bench.ended(status).ending
    assert (ending.known, ending.cancelled) == (True, True)


def test_only_an_ended_attempt_is_removed(bench: Bench) -> None:
    status = bench.start()
    with pytest.raises(RunnerError) as caught:
        bench.backend.remove(status)
    assert caught.value.code is Code.ATTEMPT_ALIVE
    bench.let_go()
    bench.ended(status)
    bench.backend.remove(status)
    assert bench.backend.list_attempts(FEATURE, bench.remote) == []
    assert not bench.backend.refresh(status).ending.known
    bench.backend.remove(status)


def test_nothing_has_moved_under_a_new_attempt(bench: Bench) -> None:
    assert bench.backend.moved(bench.start()) == ""


def test_a_backend_has_a_stable_name_that_names_nothing(bench: Bench) -> None:
    again = bench.again()
    assert bench.backend.where == again.where
    assert bench.backend.where.startswith(f"{bench.backend.kind}:")
    assert bench.backend.kind == again.kind
    assert bench.backend.starts_at_once >= 1
    assert bench.backend.runs_on_this_machine == (bench.backend.kind == "local")


def test_an_attempt_without_an_agent_server_says_so(bench: Bench) -> None:
    with pytest.raises(RunnerError) as caught:
        bench.backend.agent_server(bench.start())
    assert caught.value.code is Code.UNSUPPORTED_BACKEND
