"""What only befalls a runner that is not root: files it may not read, and no further processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.attempt.spec import AttemptTask
from support import harness as harnesses
from support.agent_fixtures import SPEC
from support.harness import FEATURE, Harness
from support.kubernetes import local_pod
from support.opencode.fake_agent_server import IDLE, FakeServer, Listener, finish, part, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER = 10001
REFS = f"refs/sdlc-runner/{FEATURE}/T001/1"
BRANCH = f"sdlc-runner/{FEATURE}/T001-1"


@pytest.fixture
def scene() -> Iterator[tuple[Harness, local_pod.Pod]]:
    """A rig and a pod that belong to somebody who is not root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        harness = harnesses.create(folder)
        harness.tasks("## Phase 1: Setup\n\n- [ ] T001 [ASYNC] Write `T001.txt`\n")
        tasks = (AttemptTask("T001", "Write", "T001 Write `T001.txt`"),)
        base = harness.git("rev-parse", "HEAD")
        spec = replace(SPEC, base=base, remote=str(harness.remote), tasks=tasks)
        pod = local_pod.Pod(folder / "pod", spec.to_json(), local_pod.environment())
        if os.geteuid() == 0:
            pod.user = USER
            pod.python = shutil.which("python3", path="/usr/bin:/bin") or pod.python
            subprocess.run(["chown", "-R", f"{USER}:{USER}", name], check=True)
        yield harness, pod
        pod.stop()


def serve(pod: local_pod.Pod, work: Callable[[Listener], None]) -> int:
    """Run the runner with a server that plays the agent."""

    def play(listener: Listener) -> None:
        written(pod, "T001.txt")
        work(listener)
        said = part("text", "prt_5", text="Done.", time={"start": 1, "end": 2})
        listener.send(tool("completed"), said, finish(), IDLE)
        listener.hold()

    with FakeServer([play]) as fake:
        pod.port = fake.port
        return pod.run()


def written(pod: local_pod.Pod, name: str, mode: int = 0o644) -> Path:
    """Write a file as the pod's user."""
    path = pod.workspace / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("done")
    path.chmod(mode)
    for each in (path, path.parent):
        os.chown(each, pod.user or -1, pod.user or -1)
    return path


def seen(harness: Harness, ref: str) -> set[str]:
    names = ("ls-tree", "-r", "--name-only", ref)
    return set(subprocess_git(harness, *names).split())


def subprocess_git(harness: Harness, *args: str) -> str:
    return harness.git("-c", "safe.directory=*", *args, cwd=harness.remote)


def test_unreadable_files_are_left_out_and_the_rest_is_kept(
    scene: tuple[Harness, local_pod.Pod],
) -> None:
    harness, pod = scene

    def hide(_: Listener) -> None:
        written(pod, "secret.txt", 0o000)
        written(pod, "closed/inner.txt").parent.chmod(0o000)
        written(pod, "README.md", 0o000)

    assert serve(pod, hide) == 0, pod.claim
    names = seen(harness, BRANCH)
    assert {"T001.txt", "README.md"} <= names
    assert not {"secret.txt", "closed/inner.txt"} & names
    assert subprocess_git(harness, "show", f"{BRANCH}:README.md") == "# Demo"


LIMIT = """
import resource, sys
pid, soft = map(int, sys.argv[1:])
hard = resource.prlimit(pid, resource.RLIMIT_NPROC)[1]
resource.prlimit(pid, resource.RLIMIT_NPROC, (soft, hard))
"""


def crowd(pod: local_pod.Pod, limit: int) -> None:
    """Allow the runner so many processes of its user; that user itself may ask for it."""
    arguments = [pod.python, "-c", LIMIT, str(pod.running[-1].pid), str(limit)]
    user = pod.user
    subprocess.run(arguments, check=True, user=user, group=user, cwd="/", env=pod.env)


def test_no_further_process_for_a_moment_is_waited_for(
    scene: tuple[Harness, local_pod.Pod],
) -> None:
    harness, pod = scene

    def work(_: Listener) -> None:
        crowd(pod, 0)
        threading.Timer(2, crowd, (pod, 4096)).start()

    assert serve(pod, work) == 0, pod.claim
    assert "T001.txt" in seen(harness, BRANCH)


@pytest.mark.slow
def test_no_further_process_for_good_is_an_interruption(
    scene: tuple[Harness, local_pod.Pod],
) -> None:
    harness, pod = scene
    assert serve(pod, lambda _: crowd(pod, 0)) == 143
    assert (pod.claim["status"], pod.claim["code"]) == ("interrupted", "pids_exhausted")
    assert pod.events()[-1]["code"] == "transcript_failed"
    assert "Traceback" not in pod.errors()
    assert f"refs/heads/{BRANCH}" not in subprocess_git(harness, "for-each-ref")


@pytest.mark.slow
def test_what_can_be_saved_is_saved_once_there_are_processes_again(
    scene: tuple[Harness, local_pod.Pod],
) -> None:
    harness, pod = scene

    def work(_: Listener) -> None:
        crowd(pod, 0)
        threading.Timer(8, crowd, (pod, 4096)).start()

    assert serve(pod, work) == 143
    assert pod.claim["code"] == "pids_exhausted"
    assert "T001.txt" in seen(harness, f"{REFS}/checkpoint")
