"""Pictures of a checkout and its remote, to compare byte by byte."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.harness import Harness

# What git keeps for itself: new objects and what was last seen of the remote.
_OWN = ("objects", "refs/remotes", "logs/refs/remotes", "worktrees", "packed-refs", "FETCH_HEAD")

Picture = dict[str, tuple[int, bytes]]


def picture(root: Path) -> Picture:
    """Every file with mode and bytes, of .git too: index, HEAD, branches, half-done merges."""
    return dict(_entries(root))


def _entries(root: Path) -> Iterator[tuple[str, tuple[int, bytes]]]:
    for folder, names, files in os.walk(root):
        here = Path(folder)
        if here == root / ".git":
            names[:] = [name for name in names if name not in _OWN]
        for path in (here / name for name in [*files, *names]):
            relative = path.relative_to(root).as_posix()
            if not relative.removeprefix(".git/").startswith(_OWN):
                yield relative, _content(path)


def _content(path: Path) -> tuple[int, bytes]:
    if path.is_symlink():
        return 0, os.fsencode(path.readlink())
    return path.stat().st_mode, b"" if path.is_dir() else path.read_bytes()


def work_files(root: Path) -> Picture:
    """The same without .git."""
    return {name: each for name, each in picture(root).items() if not name.startswith(".git/")}


def hook(harness: Harness, name: str, script: str) -> None:
    """Install a hook on the remote."""
    folder = harness.remote / "hooks"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def worktrees(harness: Harness) -> int:
    """How many work trees git knows of."""
    return len(harness.git("worktree", "list").splitlines())


def remote_bytes(harness: Harness, path: str, ref: str) -> bytes:
    """A file as the remote has it, to the byte."""
    argv = ["git", "cat-file", "blob", f"{ref}:{path}"]
    return subprocess.run(argv, cwd=harness.remote, check=True, capture_output=True).stdout
