"""An agent that may change the work tree at any moment, and secrets that must not get out."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from support.git import repo_scan
from support.harness import FEATURE, Harness
from support.kubernetes import local_pod, pod_scenes
from support.kubernetes.pod_scenes import serve
from support.opencode.fake_agent_server import Listener, part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.kubernetes.pod_scenes import MakePod


REFS = f"refs/sdlc-runner/{FEATURE}/T001/1"
BRANCH = f"sdlc-runner/{FEATURE}/T001-1"
TOKEN = "token-of-the-test-1"


@pytest.fixture
def make(harness: Harness, tmp_path: Path) -> Iterator[MakePod]:
    """Return what makes a pod for a task of the rig's feature."""
    with pod_scenes.pods_of(harness, tmp_path) as one:
        yield one


def test_secrets_in_files_are_masked_also_when_they_change(harness: Harness, make: MakePod) -> None:
    pod = make()
    pod.secret("git", "token", TOKEN)
    pod.secret("git", "username", "somebody")

    def tell(listener: Listener) -> None:
        for at, secret in enumerate((TOKEN, local_pod.PASSWORD, "fresh-token-value", "somebody")):
            if secret.startswith("fresh"):
                pod.secret("git", "token.new", secret).replace(pod.root / "secrets/git/token")
            said = part("text", f"prt_a{at}", text=f"I saw {secret}.", time={"end": 2})
            listener.send(said)

    code, _ = serve(pod, tell)
    assert code == 0
    said = [event["text"] for event in pod.events() if event["type"] == "message"]
    assert said == ["I saw ***.", "I saw ***.", "I saw ***.", "I saw somebody.", "Done."]
    assert b"I saw" in repo_scan.objects(harness)
    for secret in (TOKEN, local_pod.PASSWORD, "fresh-token-value"):
        assert secret.encode() not in repo_scan.objects(harness)


def test_work_with_a_secret_that_came_to_be_meanwhile_is_not_pushed(
    harness: Harness, make: MakePod
) -> None:
    pod = make()
    pod.secret("git", "token", TOKEN)

    def leak(_: Listener) -> None:
        pod.secret("git", "token", "fresh-token-value")
        (pod.workspace / "leak.txt").write_text("it is fresh-token-value")

    assert serve(pod, leak)[0] == 1
    assert pod.claim["code"] == "secret_in_diff"
    assert b"fresh-token-value" not in repo_scan.objects(harness)


def odd_things(pod: local_pod.Pod) -> None:
    """Put into a work tree what no git expects."""
    work = pod.workspace
    for name in (".gitattributes", "sub/.gitignore", "inner/.git/HEAD", "pipe"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(work / name)
    for name in ("inner/.git/refs", "inner/.git/objects"):
        (work / name).mkdir()
    (work / "inner/a.txt").write_text("a")
    (work / "sub/b.txt").write_text("b")
    (work / "line\nbreak").write_text("c")
    (work / "up").symlink_to("../secrets/git")
    (work / "loop").symlink_to("loop")
    (work / "large.bin").write_bytes(os.urandom(1024) * 40_000)
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(os.path.relpath(work / "socket"))
    deep = os.open(work, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 10, dir_fd=deep)
        below = os.open("d" * 10, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)


def test_odd_things_in_the_work_tree_hang_nothing_and_lose_nothing(
    harness: Harness, make: MakePod
) -> None:
    pod = make()
    pod.secret("git", "token", TOKEN)
    code, _ = serve(pod, lambda _: odd_things(pod))
    assert code == 0, pod.claim
    names = harness.git("ls-tree", "-r", "-z", "--name-only", BRANCH, cwd=harness.remote).split(
        "\0"
    )
    assert {"T001.txt", "inner/a.txt", "sub/b.txt", "line\nbreak", "up", "loop"} <= set(names)
    assert "large.bin" in names
    assert not {"pipe", "socket", ".gitattributes"} & set(names)


def test_a_repository_of_its_own_in_the_place_of_ours_changes_nothing(
    harness: Harness, make: MakePod
) -> None:
    pod = make()
    mark = pod.root / "mark"

    def replace_git(_: Listener) -> None:
        git = pod.workspace / ".git"
        for line in (
            f"[core]\n\tfsmonitor = touch {mark}\n\thooksPath = {pod.workspace}/hooks",
            f'[filter "x"]\n\tclean = touch {mark}; cat\n\tprocess = touch {mark}',
            f"[credential]\n\thelper = !touch {mark}",
            f'[url "ext::touch {mark} "]\n\tinsteadOf = /',
        ):
            with (git / "config").open("a") as file:
                file.write(line + "\n")
        (git / "objects/info/alternates").write_text("/nowhere\n")
        (git / "index").unlink()
        (pod.workspace / ".gitattributes").write_text("* filter=x\n")
        (pod.workspace / "hooks").mkdir()
        for name in ("pre-push", "pre-commit", "post-index-change"):
            hook = pod.workspace / "hooks" / name
            hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
            hook.chmod(0o755)

    code, _ = serve(pod, replace_git)
    assert code == 0, pod.claim
    assert not mark.exists()
    assert harness.remote_file("T001.txt", BRANCH) == "done"
