"""The repository that is installed into: its files, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sdlc_runner import files
from sdlc_runner.errors import Code, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable


_READ_LIMIT = 16 * files.MIB


def sha256(content: bytes) -> str:
    """Return the hash by which a file is known again."""
    return hashlib.sha256(content).hexdigest()


class Worktree:
    """A work tree; no path leads out of it."""

    def __init__(self, root: Path) -> None:
        """Take the root of the repository."""
        self.root = root.resolve()
        self.made: list[str] = []

    def read(self, name: str) -> bytes | None:
        """Return a file's content, None if there is nothing; what is no plain file is an error."""
        path = self._inside(name)
        try:
            return files.read(path, _READ_LIMIT, follow=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (files.NotRegularError, files.TooLargeError) as error:
            raise UsageError(
                Code.NOT_OURS,
                f"{name} cannot be read: {error.strerror}.",
                "Move it away, then try again.",
            ) from error

    def write(self, name: str, content: bytes) -> None:
        """Put a file in place at once, with the mode that it had."""
        path = self._inside(name)
        self._make(PurePosixPath(name).parent)
        files.write(path, content)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        self._inside(name).unlink(missing_ok=True)

    def prune(self, folders: Iterable[str]) -> None:
        """Remove those folders that are empty, the deepest first."""
        for name in sorted(folders, key=len, reverse=True):
            with contextlib.suppress(OSError):
                shutil.rmtree(self._inside(name) / "__pycache__", ignore_errors=True)
                self._inside(name).rmdir()

    def _make(self, folder: PurePosixPath) -> None:
        for name in reversed([folder, *folder.parents][:-1]):
            path = self._inside(str(name))
            if not path.is_dir():
                path.mkdir()
                self.made.append(str(name))

    def _inside(self, name: str) -> Path:
        path = self.root / name
        if not path.parent.resolve().is_relative_to(self.root):
            raise UsageError(
                Code.NOT_OURS,
                f"{name} lies outside of the repository, behind a link.",
                "Replace the link by a folder, then try again.",
            )
        return path
