"""What was installed: each file with its hash, and what stood there before.

Only what still has its hash is ours to change or to remove.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner import __version__, files
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.install.bundle_files import HOME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = f"{HOME}/manifest.json"
BEFORE = f"{HOME}/before"
_SCHEMA = 1


class ManifestEntry(NamedTuple):
    """One file: its kind, the hash of what we wrote, and what went in among what was there."""

    what: str
    sha256: str
    before: bool = False
    inserted: tuple[str, ...] = ()


class Manifest(NamedTuple):
    """Every file, the folders that were made for them, and whether a preset was registered."""

    files: Mapping[str, ManifestEntry]
    folders: tuple[str, ...] = ()
    preset: bool = False

    @property
    def own(self) -> frozenset[str]:
        """The files that were not there before."""
        return frozenset(path for path, entry in self.files.items() if not entry.before)


EMPTY = Manifest({})


def read(root: Path, file: str = FILE) -> Manifest:
    """Read a repository's ledger; without one nothing there is ours."""
    path = root / file
    try:
        found = files.read_json(path)
        entries = {
            name: ManifestEntry(
                item["what"], item["sha256"], item["before"], tuple(item["inserted"])
            )
            for name, item in found["files"].items()
        }
        return Manifest(entries, tuple(found["folders"]), bool(found["preset"]))
    except (FileNotFoundError, NotADirectoryError):
        return EMPTY
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            Code.BAD_LEDGER,
            f"{path} is not what `install` wrote.",
            f"`git checkout -- {file}` brings it back.",
        ) from None


def to_bytes(manifest: Manifest) -> bytes:
    """Write a ledger as text that diffs well."""
    content = {
        "schema": _SCHEMA,
        "version": __version__,
        "preset": manifest.preset,
        "folders": sorted(manifest.folders),
        "files": {name: entry._asdict() for name, entry in sorted(manifest.files.items())},
    }
    return (json.dumps(content, indent=1) + "\n").encode()
