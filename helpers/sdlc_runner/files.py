"""Reading, replacing and locking files, where the path may be anything by now.

A repository's file may be a pipe, a device, a link or a gigabyte. What is wrong with a file is an
``OSError`` with a ``strerror`` that fits into a sentence: ``PATH cannot be read: it is a pipe.``
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024 * 1024
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegularError(OSError):
    """Not a regular file: a link that must not be followed, a folder, a pipe, a device."""


class TooLargeError(OSError):
    """A file with more bytes than its reader takes."""


def open_regular(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a regular file for reading; with ``follow=False`` its last part must be no link.

    Never waits: a pipe without a writer is refused like any other.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        handle = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink() and not follow:
            raise NotRegularError(errno.ELOOP, "it is a link", str(path)) from error
        if error.errno == errno.ENXIO:
            raise NotRegularError(errno.ENXIO, "it is a socket", str(path)) from error
        raise
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        kind = _KINDS.get(stat.S_IFMT(mode), "no file")
        raise NotRegularError(errno.EINVAL, f"it is {kind}", str(path))
    return open(handle, "rb")  # noqa: PTH123 - the descriptor that was checked, not its path


def read(path: Path, limit: int = MIB, *, follow: bool = True) -> bytes:
    """Return a regular file's content; raises ``OSError`` for any other and for a larger one."""
    with open_regular(path, follow=follow) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        size = f"{limit // MIB} MiB" if limit >= MIB else f"{limit // 1024} KiB"
        raise TooLargeError(errno.EFBIG, f"it is larger than {size}", str(path))
    return data


def read_json(path: Path, limit: int = MIB, *, follow: bool = True) -> Any:  # noqa: ANN401
    """Return a JSON file's value; raises ``OSError`` as ``read`` does, or ``ValueError``."""
    try:
        return json.loads(read(path, limit, follow=follow))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write(path: Path, content: bytes | str, *, exclusive: bool = False) -> None:
    """Replace a file in one step, with the mode that it had; a reader sees the old or the new.

    ``exclusive``: raise ``FileExistsError`` where there is one.
    """
    data = content.encode() if isinstance(content, str) else content
    new = path.with_name(f".{path.name[:200]}.{os.urandom(4).hex()}")
    try:
        with new.open("xb") as file:
            file.write(data)
        if exclusive:
            _link(new, path)
            return
        with suppress(FileNotFoundError):
            new.chmod(path.stat().st_mode & 0o777)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _link(new: Path, path: Path) -> None:
    """Give a file a second name, unless that name is taken."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        with path.open("xb") as file:
            file.write(new.read_bytes())


@contextmanager
def lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock file, created with its folders, as the only process.

    Waits for others; without ``wait`` raises ``BlockingIOError`` while another holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def try_lock(handle: int, *, shared: bool = False) -> bool:
    """Lock an open file without waiting; False where another holds it."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
