"""Files that are something else by now, atomic replacement, and locks between processes."""

from __future__ import annotations

import os
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sdlc_runner import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.mkdir()


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (a_pipe, "it is a pipe"),
        (a_folder, "it is a folder"),
        (a_socket, "it is a socket"),
        (a_link_to_a_device, "it is a device"),
        (a_link_to_a_pipe, "it is a pipe"),
    ],
)
def test_what_is_not_a_regular_file_is_refused(
    tmp_path: Path, make: Callable[[Path], None], what: str
) -> None:
    path = tmp_path / "file"
    make(path)
    with pytest.raises(files.NotRegularError) as caught:
        files.read(path)
    assert caught.value.strerror == what
    assert caught.value.filename == str(path)
    with pytest.raises(files.NotRegularError):
        files.read_json(path, follow=False)


def test_a_link_is_followed_only_where_that_is_wanted(tmp_path: Path) -> None:
    path, target = tmp_path / "link", tmp_path / "target"
    target.write_bytes(b"content")
    path.symlink_to("target")
    assert files.read(path) == b"content"
    with pytest.raises(files.NotRegularError, match="it is a link"):
        files.read(path, follow=False)
    path.unlink()
    path.symlink_to("link")
    with pytest.raises(OSError, match="links"):
        files.read(path)


def test_a_file_may_have_the_limit_and_no_byte_more(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 2048)
    assert len(files.read(path, 2048)) == 2048
    with pytest.raises(files.TooLargeError, match="it is larger than 1 KiB"):
        files.read(path, 2047)
    assert len(files.read(path)) == 2048


def test_a_missing_file_is_not_a_bad_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "none")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        files.read(tmp_path / "file" / "none")


@pytest.mark.parametrize("text", ["{", "", "[" * 100_000, '"\udcff'])
def test_bad_json_is_a_value_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError):  # noqa: PT011 - its text is Python's
        files.read_json(path)


def test_a_replaced_file_keeps_its_mode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write(path, "old é")
    path.chmod(0o640)
    files.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with pytest.raises(FileExistsError):
        files.write(path, "other", exclusive=True)
    with pytest.raises(OSError, match="directory"):
        files.write(tmp_path, "a folder")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_needs_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    path = tmp_path / "file"
    monkeypatch.setattr(os, "link", refuse)
    files.write(path, "new", exclusive=True)
    with pytest.raises(FileExistsError):
        files.write(path, "other", exclusive=True)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("new", [path])


def test_a_link_is_replaced_and_its_target_is_left(tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "link"
    target.write_text("theirs")
    path.symlink_to(target)
    files.write(path, "ours")
    assert (target.read_text(), path.read_text()) == ("theirs", "ours")


def test_a_file_that_vanishes_or_changes_is_never_half(tmp_path: Path) -> None:
    path, over = tmp_path / "file", threading.Event()
    whole = {bytes([letter]) * 100_000 for letter in b"abcd"}

    def keep_writing(content: bytes) -> None:
        while not over.is_set():
            files.write(path, content)
            if content.startswith(b"a"):
                path.unlink(missing_ok=True)

    with ThreadPoolExecutor(5) as pool:
        writers = [pool.submit(keep_writing, content) for content in whole]
        seen = set()
        for _ in range(300):
            try:
                seen.add(files.read(path))
            except FileNotFoundError:
                continue
        over.set()
    assert not [writer.exception() for writer in writers if writer.exception()]
    assert seen <= whole
    assert list(tmp_path.iterdir()) in ([path], [])


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    path, log = tmp_path / "folder" / "lock", []

    def hold(name: int) -> None:
        with files.lock(path):
            log.append(name)
            os.sched_yield()
            log.append(name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hold, range(40)))
    assert log[::2] == log[1::2]
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.exists()


def test_a_lock_is_tried_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    try:
        assert files.try_lock(first, shared=True)
        assert files.try_lock(second, shared=True)
        assert not files.try_lock(second)
        os.close(first)
        first = os.dup(second)
        assert files.try_lock(second)
    finally:
        os.close(first)
        os.close(second)
