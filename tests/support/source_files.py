"""The files of this repository, as the tests of layers and style read them."""

from __future__ import annotations

from pathlib import Path

from sdlc_runner import process

ROOT = Path(__file__).resolve().parents[2]
HELPERS = ROOT / "helpers"
PACKAGE = HELPERS / "sdlc_runner"


def names() -> list[str]:
    """Every file of the work tree that git does not ignore, links left out."""
    listed = process.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT)
    assert listed.ok, listed.error_text
    found = sorted(set(listed.stdout.decode().split("\0")) - {""})
    return [name for name in found if (ROOT / name).is_file() and not (ROOT / name).is_symlink()]


def python_names() -> list[str]:
    """Every Python file among them, by its ending or its first line."""
    return [name for name in names() if name.endswith(".py") or _says_python(name)]


def _says_python(name: str) -> bool:
    if "." in Path(name).name:
        return False
    with (ROOT / name).open("rb") as stream:
        return stream.readline(80).startswith(b"#!/usr/bin/env python3")


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below it; the package itself is ``""``."""
    return {_dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
