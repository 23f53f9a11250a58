"""A work tree that somebody else changes while it is read."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import pytest

from sdlc_runner.git.command import Git
from sdlc_runner.worker import prompt
from sdlc_runner.worker.git import index, secret_scan
from sdlc_runner.worker.masking import Masker

AUTHOR = ("-c", "user.name=A", "-c", "user.email=a@localhost")


def repository(folder: Path) -> str:
    """Make a repository with a commit."""
    git = Git(folder.parent)
    git.run("init", "--quiet", str(folder))
    Git(folder, AUTHOR).run("commit", "--quiet", "--allow-empty", "-m", "x")
    return Git(folder).run("rev-parse", "HEAD")


def test_pipes_are_removed_where_git_would_read_them(tmp_path: Path) -> None:
    for name in ("a/.gitignore", ".gitattributes", "x/.git/HEAD", "x/.git/refs/y", "own", "b/own"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(tmp_path / name)
    (tmp_path / "away").symlink_to("/")
    index.remove_pipes(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_fifo()}
    assert left == {"own", "b/own"}


def test_the_head_of_a_repository_is_read_without_its_git(tmp_path: Path) -> None:
    head = repository(tmp_path / "inner")
    assert index.head_of(tmp_path, "inner") == head
    Git(tmp_path / "inner").run("pack-refs", "--all")
    assert index.head_of(tmp_path, "inner") == head
    Git(tmp_path / "inner").run("checkout", "--quiet", "--detach")
    assert index.head_of(tmp_path, "inner") == head


def test_the_head_is_found_behind_a_link_to_the_repository(tmp_path: Path) -> None:
    head = repository(tmp_path / "inner")
    (tmp_path / "inner/.git").rename(tmp_path / "module")
    (tmp_path / "inner/.git").write_text("gitdir: ../module\n")
    assert index.head_of(tmp_path, "inner") == head


@pytest.mark.parametrize(
    "head",
    [
        *("", "ref: refs/../../../etc/passwd", "ref: ../HEAD", "ref: refs/none", "x" * 40, "\0"),
        *("ref: refs/a*(", "0" * 39, "ref: /etc/passwd"),
    ],
)
def test_a_head_that_is_none_is_unknown(tmp_path: Path, head: str) -> None:
    (tmp_path / "inner/.git").mkdir(parents=True)
    (tmp_path / "inner/.git/HEAD").write_text(head)
    assert index.head_of(tmp_path, "inner") == ""


def test_a_head_outside_or_in_a_pipe_is_unknown(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "inner/.git").mkdir(parents=True)
    os.mkfifo(work / "inner/.git/HEAD")
    assert index.head_of(work, "inner") == ""
    repository(tmp_path / "outside")
    (work / "other").symlink_to(tmp_path / "outside")
    (work / "inner/.git/HEAD").unlink()
    (work / "inner/.git").rmdir()
    (work / "inner/.git").write_text(f"gitdir: {tmp_path}/outside/.git\n")
    assert index.head_of(work, "other") == ""
    assert index.head_of(work, "inner") == ""


def test_a_file_that_becomes_a_link_while_it_is_read_gives_nothing_away(tmp_path: Path) -> None:
    work, secret = tmp_path / "work", tmp_path / "secret"
    work.mkdir()
    secret.write_text("secret")
    file, link = work / "plan.md", work / "link"
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            (work / "new").write_text("plan")
            (work / "new").replace(file)
            link.symlink_to(secret)
            link.replace(file)

    thread = threading.Thread(target=swap)
    thread.start()
    read = {prompt.read(work, "plan.md") for _ in range(5000)}
    done.set()
    thread.join()
    assert read <= {"plan", "", None}


def test_large_blobs_are_searched_too(tmp_path: Path) -> None:
    git = Git(tmp_path)
    git.run("init", "--quiet")
    border = secret_scan._BYTES_AT_ONCE  # noqa: SLF001 - the place where a piece ends
    large = b"x" * (border - 5) + b"top-secret" + b"y" * border
    contents = [b"small", b"a top-secret", large, large.replace(b"top", b"pot"), b"", b"top-secret"]
    ids = [git.run("hash-object", "-w", "--stdin", stdin=content) for content in contents]
    ids.insert(1, "1" * 40)
    found = list(secret_scan.hold_secrets(git, ids, Masker(["top-secret"]), tmp_path))
    assert found == [False, False, True, True, False, False, True]
    assert list(secret_scan.hold_secrets(git, [], Masker(["top-secret"]), tmp_path)) == []


def test_many_blobs_are_searched_in_order(tmp_path: Path) -> None:
    git = Git(tmp_path)
    git.run("init", "--quiet")
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        paths = [Path(folder, str(n)) for n in range(200)]
        for n, path in enumerate(paths):
            path.write_text(f"{n} {'top-secret' if n % 7 == 0 else ''}")
        names = "\n".join(map(str, paths)).encode()
        ids = git.run("hash-object", "-w", "--stdin-paths", stdin=names).split()
    found = list(secret_scan.hold_secrets(git, ids, Masker(["top-secret"]), tmp_path))
    assert found == [n % 7 == 0 for n in range(200)]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert prompt.read(tmp_path, "pipe") is None
