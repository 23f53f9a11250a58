"""What of a work tree gets into an index, while somebody changes it, and how it is told."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.git.command import Git
from sdlc_runner.worker.git.index import LARGEST, Snapshot, Staging, entries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "pod-token-0123456789abcdef"
HARMLESS = "h" * (len(TOKEN) - 1)
HERE, EXCHANGE = -100, 2
NO_LINUX = not hasattr(ctypes.CDLL(None), "renameat2")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def git(tmp_path: Path, work: Path) -> Git:
    Git(tmp_path).run("init", "--quiet", "--bare", str(tmp_path / "git"))
    options = (f"--git-dir={tmp_path}/git", f"--work-tree={work}", "-c", "core.protectNTFS=true")
    return Git(tmp_path, options)


def record(git: Git, work: Path) -> tuple[str, ...]:
    return Staging(git, git.cwd / "git", work).record()


def recorded(git: Git) -> dict[str, str]:
    """Return mode and name of all that is in the index."""
    found = [entry.split(maxsplit=3) for entry in entries(git.run("ls-files", "--stage", "-z"))]
    return {name: mode for mode, _, _, name in found}


@pytest.fixture
def _swapping(tmp_path: Path, work: Path) -> Iterator[None]:
    """Files that are links to a secret at the next moment, one by one and with their folder."""
    (tmp_path / "token").write_text(TOKEN)
    pairs = [(work / "race", work / ".git/race")]
    pairs += [(work / f"files/{number}", work / f".git/files/{number}") for number in range(300)]
    for file, link in [(one / "0", other / "0") for one, other in pairs[:1]] + pairs[1:]:
        file.parent.mkdir(exist_ok=True)
        file.write_text(HARMLESS)
        link.parent.mkdir(exist_ok=True, parents=True)
        link.symlink_to(tmp_path / "token")
    swap, done = ctypes.CDLL(None).renameat2, threading.Event()

    def run() -> None:
        names = [(bytes(one), bytes(other)) for one, other in pairs]
        while not done.is_set():
            for one, other in names:
                swap(HERE, one, HERE, other, EXCHANGE)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.mark.skipif(NO_LINUX, reason="exchanging two folders in one step is Linux")
@pytest.mark.usefixtures("_swapping")
def test_nothing_behind_a_link_is_read_however_fast_links_come_and_go(git: Git, work: Path) -> None:
    for _ in range(5):
        record(git, work)
    assert recorded(git)
    held = git.run("cat-file", "--batch-all-objects", "--batch")
    assert HARMLESS in held
    assert TOKEN[:10] not in held


def test_links_modes_and_deletions_are_recorded(git: Git, work: Path) -> None:
    (work / "gone.txt").write_text("x")
    (work / "folder").mkdir()
    (work / "folder/file.txt").write_text("x")
    (work / "file").write_text("x")
    record(git, work)
    (work / "gone.txt").unlink()
    (work / "folder/file.txt").unlink()
    (work / "folder").rmdir()
    (work / "folder").symlink_to("/etc")
    (work / "file").unlink()
    (work / "file").mkdir()
    (work / "file/run").write_text("#!/bin/sh\n")
    (work / "file/run").chmod(0o700)
    assert record(git, work) == ()
    assert recorded(git) == {"folder": "120000", "file/run": "100755"}


def test_attributes_hold_for_files_of_later_batches(git: Git, work: Path) -> None:
    (work / ".gitattributes").write_text("*.txt text eol=lf\n")
    for number in range(2001):
        (work / f"{number:04}").touch()
    for name in ("z.txt", "z.bin"):
        (work / name).write_bytes(b"one\r\n")
    record(git, work)
    sizes = {name: git.run("cat-file", "-s", f":{name}") for name in ("z.txt", "z.bin")}
    assert sizes == {"z.txt": "4", "z.bin": "5"}


def test_what_cannot_be_recorded_is_reported_and_what_was_there_stays(git: Git, work: Path) -> None:
    (work / "large").write_text("small yet")
    record(git, work)
    os.truncate(work / "large", LARGEST + 1)
    (work / "sparse").touch()
    os.truncate(work / "sparse", 1 << 40)
    (work / "GIT~1").mkdir()
    (work / "GIT~1/config").write_text("x")
    (work / "fine").write_text("x")
    assert record(git, work) == ("GIT~1/config", "large", "sparse")
    assert set(recorded(git)) == {"fine", "large"}
    assert git.run("cat-file", "blob", ":large") == "small yet"


def test_holes_stay_holes(work: Path, tmp_path: Path) -> None:
    with (work / "sparse").open("wb") as file:
        file.seek(3 << 20)
        file.write(b"end")
        file.truncate(5 << 20)
    for batch in Snapshot(work, tmp_path).batches(["sparse"]):
        copy = batch.folder / "sparse"
        assert copy.read_bytes() == (work / "sparse").read_bytes()
        assert copy.stat().st_blocks * 512 <= 2 << 20


def test_a_name_below_what_is_no_folder_any_more_is_gone(work: Path, tmp_path: Path) -> None:
    (work / "a").symlink_to(tmp_path)
    (tmp_path / "b").write_text("elsewhere")
    taken = Snapshot(work, tmp_path)
    for batch in taken.batches(["a/b", "a"]):
        assert list(batch.names) == ["a"]
        assert (batch.folder / "a").is_symlink()
    assert taken.gone == ["a/b"]
    assert taken.left_out == []
