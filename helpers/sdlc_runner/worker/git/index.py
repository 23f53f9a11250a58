"""Recording the agent's work tree, which may change at any moment, in an index."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import tempfile
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from sdlc_runner.git.command import Git, failure
from sdlc_runner.worker import prompt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_READ_BY_GIT = frozenset({".gitignore", ".gitattributes", ".gitmodules"})
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def remove_pipes(work: Path) -> None:
    """Remove pipes and the like where git would open a file, and wait for ever.

    Those elsewhere are left alone: git does not open them, and the agent may be using them.
    """
    for entry in _entries(work):
        in_repository = "/.git/" in entry.path[len(str(work)) + 1 :]
        if entry.name in _READ_BY_GIT or in_repository:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)  # noqa: PTH108 - a name may be longer than a path can be


def _entries(work: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is neither file nor folder nor link, however deep."""
    folders = [str(work)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
                        yield entry
        except OSError:
            continue  # gone, not ours to read, or deeper than a path can be long


def head_of(work: Path, folder: str) -> str:
    """Return the commit that a repository inside stands at, without its git; empty if unknown."""
    place = f"{folder}/.git"
    link = re.match(r"gitdir: (.+)", prompt.read(work, place) or "")
    if link:
        place = os.path.join(folder, link[1].strip())  # noqa: PTH118 - may be absolute
    head = (prompt.read(work, f"{place}/HEAD") or "").strip()
    if _COMMIT.fullmatch(head):
        return head
    ref = re.match(r"ref: (refs/\S+)", head)
    if not ref or ".." in ref[1]:
        return ""
    loose = (prompt.read(work, f"{place}/{ref[1]}") or "").strip()
    packed = prompt.read(work, f"{place}/packed-refs") or ""
    found = re.search(rf"^({_COMMIT.pattern}) {re.escape(ref[1])}$", packed, re.MULTILINE)
    if _COMMIT.fullmatch(loose):
        return loose
    return found[1] if found else ""


LARGEST = 2 * 1024**3
"""Bytes; no host takes a larger file, and one that is all hole would take git for ever."""
_PIECE = 1024**2
_BYTES_AT_ONCE = 64 * 1024**2
_FILES_AT_ONCE = 2000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE})


class CopyBatch(NamedTuple):
    """Some of the files, below a folder that no other process can change."""

    folder: Path
    names: dict[str, None]


@dataclass
class Snapshot:
    """``gone`` and ``left_out`` grow with the batches: what is no file any more, or unreadable."""

    work: Path
    scratch: Path
    gone: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def batches(self, names: Iterable[str]) -> Iterator[CopyBatch]:
        """Copy files and links, as many at once as cost little room; raises ``OSError`` if full."""
        waiting = deque(sorted(set(names), key=_order))
        while waiting:
            with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
                batch, size = CopyBatch(Path(folder), {}), 0
                while waiting and size < _BYTES_AT_ONCE and len(batch.names) < _FILES_AT_ONCE:
                    size += self._take(waiting.popleft(), batch)
                yield batch

    def _take(self, name: str, batch: CopyBatch) -> int:
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


_GITLINK = "160000"
_NO_ATTRIBUTES = "* -working-tree-encoding -filter -text -ident\n"
_CHANGED = ("ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard")
_UNREADABLE = re.compile(r"^warning: could not open directory '(.+)': Permission", re.MULTILINE)
_REFUSED = re.compile(r"^Ignoring path (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Staging:
    """A git with an index of ours, and the work tree, which may change meanwhile."""

    git: Git
    git_dir: Path
    work: Path

    def record(self) -> tuple[str, ...]:
        """Bring the index up to date; returns what could not be recorded.

        Of repositories that the agent made inside, their files: left to itself git records a
        link to such a repository, or refuses to record anything.
        """
        held, moved = self._links()
        # Left to itself git would ask a submodule's own git, whose settings are the agent's.
        self._update("--skip-worktree", held)
        self._update("--force-remove", moved)
        listed = self.git.try_run(*_CHANGED)
        if not listed.ok:
            raise failure(listed)
        snapshot = Snapshot(self.work, self.git_dir)
        refused = [
            name
            for batch in snapshot.batches(self._files(entries(listed.text)))
            for name in self._record(batch)
        ]
        self._update("--force-remove", snapshot.gone)
        unreadable = _UNREADABLE.findall(listed.error_text)
        return tuple(sorted({*snapshot.left_out, *refused, *unreadable}))

    def _update(self, flag: str, paths: Iterable[str]) -> None:
        if paths:
            self.git.run("update-index", "-z", flag, "--stdin", stdin=lines(paths))

    def _files(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            if name.endswith("/"):
                yield from self._files_in(name.rstrip("/"))
            else:
                yield name

    def _files_in(self, folder: str) -> Iterator[str]:
        """List the files of a repository inside, without asking its own git for anything."""
        options = (f"--git-dir={self.git_dir}", f"--work-tree={self.work / folder}")
        inside = Git(self.git_dir.parent, options, {"GIT_INDEX_FILE": str(self.git_dir / "none")})
        found = inside.run("ls-files", "--others", "--exclude-standard", "-z")
        return self._files(f"{folder}/{name}" for name in entries(found))

    def _record(self, batch: CopyBatch) -> list[str]:
        """Record copies; as they are, if an attribute of the agent's would lose one of them."""
        inside = self.git._replace(options=(*self.git.options, f"--work-tree={batch.folder}"))
        words = ("update-index", "--add", "--replace", "-z", "--stdin")
        done = inside.try_run(*words, stdin=lines(batch.names))
        if not done.ok:
            (self.git_dir / "info" / "attributes").write_text(_NO_ATTRIBUTES)
            done = inside.try_run(*words, stdin=lines(batch.names))
        if not done.ok:
            raise failure(done)
        return _REFUSED.findall(done.error_text)

    def _links(self) -> tuple[list[str], list[str]]:
        """Return the submodules: those as they were, and those in which the agent committed.

        A link to such a commit would lose it, since it is pushed nowhere.
        """
        held: list[str] = []
        moved: list[str] = []
        for entry in entries(self.git.run("ls-files", "--stage", "-z")):
            (mode, commit, _), path = entry.partition("\t")[0].split(" "), entry.partition("\t")[2]
            if mode == _GITLINK:
                head = head_of(self.work, path)
                (moved if head not in {"", commit} else held).append(path)
        return held, moved


def lines(paths: Iterable[str]) -> bytes:
    """Write paths as git reads them with ``-z --stdin``."""
    return "\0".join(paths).encode("utf-8", "surrogateescape")


def entries(text: str) -> list[str]:
    """Split what git prints with ``-z``."""
    return [entry for entry in text.split("\0") if entry]
