"""Copies changed files out of a work tree that somebody else changes at the same time.

Were git to read the tree itself, a folder could become a link between its look and its reading,
and what lies behind the link, such as our credentials, would be committed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST = 2 * 1024**3
"""Bytes; no host takes a larger file, and one that is all hole would take git for ever."""
_PIECE = 1024**2
_BYTES_AT_ONCE = 64 * 1024**2
_FILES_AT_ONCE = 2000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE})


class Batch(NamedTuple):
    """Some of the files, below a folder that nobody else can change."""

    folder: Path
    names: dict[str, None]


@dataclass
class Snapshot:
    """``gone`` and ``left_out`` grow with the batches: what is no file any more, or unreadable."""

    work: Path
    scratch: Path
    gone: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def batches(self, names: Iterable[str]) -> Iterator[Batch]:
        """Copy files and links, as many at once as cost little room; raises ``OSError`` if full."""
        waiting = deque(sorted(set(names), key=_order))
        while waiting:
            with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
                batch, size = Batch(Path(folder), {}), 0
                while waiting and size < _BYTES_AT_ONCE and len(batch.names) < _FILES_AT_ONCE:
                    size += self._take(waiting.popleft(), batch)
                yield batch

    def _take(self, name: str, batch: Batch) -> int:
        """Copy one file; returns its size."""
        if any(parent in batch.names for parent in _above(name)):
            self.gone.append(name)  # what was a folder is a file or link by now
            return 0
        try:
            with _folder_of(self.work, name) as folder:
                size = _copy(folder, name.rpartition("/")[2], batch.folder / name)
        except (FileNotFoundError, NotADirectoryError):
            self.gone.append(name)
            return 0
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise
            self.left_out.append(name)
            return 0
        batch.names[name] = None
        return size


def _order(name: str) -> tuple[bool, str]:
    """Attributes first: git reads them from the index when it comes to the files."""
    return name.rpartition("/")[2] != ".gitattributes", name


def _above(name: str) -> Iterator[str]:
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)


@contextlib.contextmanager
def _folder_of(work: Path, name: str) -> Iterator[int]:
    """Open the folder of a file, link by no link."""
    opened = os.open(work, _FOLDER)
    try:
        for part in name.split("/")[:-1]:
            above, opened = opened, os.open(part, _FOLDER, dir_fd=opened)
            os.close(above)
        yield opened
    finally:
        os.close(opened)


def _copy(folder: int, name: str, target: Path) -> int:
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(mode):
        target.symlink_to(os.readlink(name, dir_fd=folder))
        return 0
    _must_be_file(mode)
    opened = os.open(name, _FILE, dir_fd=folder)
    with open(opened, "rb") as source, target.open("xb") as copy:  # noqa: PTH123 - no path to it
        found = os.fstat(opened)
        _must_be_file(found.st_mode)
        _must_be_small(found.st_size)
        os.fchmod(copy.fileno(), 0o755 if found.st_mode & stat.S_IXUSR else 0o644)
        return _pour(source, copy)


def _must_be_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise FileNotFoundError


def _must_be_small(size: int) -> None:
    if size > LARGEST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def _pour(source: IO[bytes], copy: IO[bytes]) -> int:
    """Copy bytes, holes as holes."""
    size = 0
    while piece := source.read(_PIECE):
        size += len(piece)
        _must_be_small(size)
        if piece.count(0) == len(piece):
            copy.seek(size)
        else:
            copy.write(piece)
    copy.truncate(size)
    return size
