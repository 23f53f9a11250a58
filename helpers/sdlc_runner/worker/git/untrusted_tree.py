"""What may lie in a work tree that somebody else changes at any moment, to trip up our git."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from sdlc_runner.worker import spec_documents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
    link = re.match(r"gitdir: (.+)", spec_documents.read(work, place) or "")
    if link:
        place = os.path.join(folder, link[1].strip())  # noqa: PTH118 - may be absolute
    head = (spec_documents.read(work, f"{place}/HEAD") or "").strip()
    if _COMMIT.fullmatch(head):
        return head
    ref = re.match(r"ref: (refs/\S+)", head)
    if not ref or ".." in ref[1]:
        return ""
    loose = (spec_documents.read(work, f"{place}/{ref[1]}") or "").strip()
    packed = spec_documents.read(work, f"{place}/packed-refs") or ""
    found = re.search(rf"^({_COMMIT.pattern}) {re.escape(ref[1])}$", packed, re.MULTILINE)
    if _COMMIT.fullmatch(loose):
        return loose
    return found[1] if found else ""
