"""Secrets that are files in folders, which may be replaced while the attempt runs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner.worker import secret_values

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NO_SECRETS = frozenset({"username", "known_hosts"})
# A cloud's region or a gateway's address stands among model keys, and in many a source file.
_PUBLIC = re.compile(r"(?:REGION|ENDPOINT|URL|HOST|PROJECT|LOCATION|VERSION|PROFILE|MODEL)\Z")

State = tuple[tuple[str, int, int, int], ...]


class SecretFiles:
    """Reads the files of folders again when one of them has changed."""

    def __init__(self, *folders: Path) -> None:
        """Read nothing yet; a folder need not be there."""
        self._folders = folders
        self._seen: State = ()

    def news(self) -> tuple[str, ...]:
        """Return the secrets of all files if any has changed since the last call, else nothing."""
        state = tuple(self._state())
        if state == self._seen:
            return ()
        self._seen = state
        return secret_values.in_files(Path(path) for path, *_ in state)

    def _state(self) -> Iterator[tuple[str, int, int, int]]:
        for folder in self._folders:
            for name in names(folder):
                path = os.path.join(folder, name)  # noqa: PTH118 - asked before every line
                if name in _NO_SECRETS or _PUBLIC.search(name):
                    continue
                try:
                    found = os.stat(path)  # noqa: PTH116 - the same
                except OSError:
                    continue
                yield path, found.st_ino, found.st_mtime_ns, found.st_size


def environment(folder: Path) -> dict[str, str]:
    """Return what a folder of files says as environment variables: name and content."""
    found = {}
    for name in filter(_NAME.match, names(folder)):
        try:
            text = (folder / name).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            continue
        found[name] = text.rstrip("\r\n").replace("\0", "")
    return found


def names(folder: Path) -> list[str]:
    """List a folder, without the links by which Kubernetes replaces a volume's files at once."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith(".."))  # noqa: PTH208
    except OSError:
        return []
