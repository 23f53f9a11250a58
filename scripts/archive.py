#!/usr/bin/env python3
"""Build the release archive: the bundle in a folder of its own, with ``./install TARGET``.

usage: scripts/archive.py [FOLDER]

Writes FOLDER/sdlc-runner-VERSION.tar.gz (FOLDER: dist); the same commit makes the same bytes.
To use it you need Python 3.10 and git, and has no command twice: nothing in it lies where
OpenCode looks.
"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "helpers"))

from sdlc_runner import __version__  # noqa: E402
from sdlc_runner.install import bundle_files  # noqa: E402

NAME = f"sdlc-runner-{__version__}"
DOCUMENTS = ("CHANGELOG.md", "docs/opencode.md")
INSTALL = f"""\
#!/bin/sh
# Puts the OpenCode bundle into a repository, or takes it out again.
#
# usage: ./install TARGET [--dry-run]      ./uninstall TARGET [--dry-run]
exec python3 "$(dirname "$0")/{Path(bundle_files.RUN).name}" "$(basename "$0")" "$@"
"""


def main(argv: list[str]) -> int:
    """Write the archive."""
    folder = Path(argv[0]) if argv else ROOT / "dist"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{NAME}.tar.gz"
    with (
        path.open("wb") as file,
        gzip.GzipFile(NAME, "wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, content in sorted(contents().items()):
            add(archive, name, content)
    sys.stdout.write(f"{path}\n")
    return 0


def contents() -> dict[str, bytes]:
    """Return every file by its name in the archive."""
    inside = f"{bundle_files.HOME}/"
    found = {
        name.removeprefix(inside): content
        for name, content in bundle_files.files().items()
        if name.startswith(inside)
    }
    found |= {Path(name).name: (ROOT / name).read_bytes() for name in DOCUMENTS}
    return found | {"install": INSTALL.encode(), "uninstall": INSTALL.encode()}


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add one file, with no owner and no time, so that the bytes are reproducible."""
    member = tarfile.TarInfo(f"{NAME}/{name}")
    member.size = len(content)
    member.mode = 0o755 if content.startswith(b"#!") else 0o644
    archive.addfile(member, io.BytesIO(content))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
