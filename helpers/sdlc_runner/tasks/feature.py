"""The feature directory, found as spec-kit finds it, and the bytes of its ``tasks.md``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner import files
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.tasks import parser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.tasks.parser import TaskFile

VARIABLE = "SPECIFY_FEATURE_DIRECTORY"
POINTER = ".specify/feature.json"
TASKS = "tasks.md"
SIZE_LIMIT = 2 * 1024 * 1024

_MARKS = (TASKS, "spec.md")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Feature(NamedTuple):
    """A spec-kit feature: ``relative`` is its directory as seen from the repository's root."""

    name: str
    directory: Path
    relative: str


def find(root: Path, env: Mapping[str, str], branch: str | None) -> Feature:
    """Find the feature: by environment, spec-kit's pointer, the only one, the branch's name.

    Raises UsageError: NO_FEATURE, MANY_FEATURES, or BAD_CONFIG for a pointer that is broken
    or leads out of the repository.
    """
    if named := env.get(VARIABLE, "").strip():
        return _named(root, named, VARIABLE)
    if pointed := _pointer(root):
        return _named(root, pointed, POINTER)
    candidates = _candidates(root)
    if not candidates:
        message = "No feature: specs/ has no directory with a tasks.md or spec.md."
        raise UsageError(Code.NO_FEATURE, message, _remedy("specs/…"))
    chosen = candidates if len(candidates) == 1 else _of_branch(candidates, branch)
    if len(chosen) != 1:
        names = ", ".join(each.name for each in candidates[:8])
        more = ", …" if len(candidates) > 8 else ""  # noqa: PLR2004 - what fits a line
        message = f"{len(candidates)} features, and none is named by the branch: {names}{more}."
        raise UsageError(Code.MANY_FEATURES, message, _remedy(f"specs/{candidates[0].name}"))
    return _named(root, f"specs/{chosen[0].name}", "specs")


def load_tasks(feature: Feature) -> tuple[bytes, TaskFile]:
    """Read ``tasks.md``: its bytes and its tasks, at least one.

    Raises UsageError: NO_TASKS_FILE, FILE_TOO_LARGE, NOT_UTF8 (with the line), NO_TASKS.
    """
    name = f"{feature.relative}/{TASKS}"
    data = _read(feature.directory / TASKS, name)
    if len(data) > SIZE_LIMIT:
        message = f"{name} is larger than {SIZE_LIMIT // 1024 // 1024} MiB."
        raise UsageError(Code.FILE_TOO_LARGE, message, "Split the feature into smaller ones.")
    task_file = parser.parse(_decode(data, name))
    if not task_file.tasks:
        what = "is empty" if not data.strip() else "has no task such as “- [ ] T001 …”"
        raise UsageError(Code.NO_TASKS, f"{name} {what}.", "Write the tasks: /speckit.tasks")
    return data, task_file


def _named(root: Path, named: str, source: str) -> Feature:
    """Return the feature at a path that is absolute or relative to the root."""
    try:
        home = root.resolve()
        given = Path(os.path.normpath(home / named))
        inside = given if given.is_relative_to(home) else given.resolve()
        escapes = not given.resolve().is_relative_to(home) or not inside.is_relative_to(home)
        exists = not escapes and given.is_dir()
    except (OSError, ValueError, RuntimeError) as error:
        message = f"{source} names no usable path: {_short(named)!r}."
        raise UsageError(Code.BAD_CONFIG, message, _remedy("specs/…")) from error
    if escapes or inside == home:
        message = f"{source} leads out of the repository: {_short(named)!r}."
        raise UsageError(Code.BAD_CONFIG, message, _remedy("specs/…"))
    if not exists:
        message = f"{source} names {_short(named)!r}, which is no directory here."
        raise UsageError(Code.NO_FEATURE, message, _remedy("specs/…"))
    return Feature(inside.name, inside, inside.relative_to(home).as_posix())


def _pointer(root: Path) -> str:
    """Return what ``.specify/feature.json`` names, or nothing where it is absent."""
    try:
        content = files.read_json(root / POINTER)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        message = f"{POINTER} cannot be read: {error.strerror}."
        raise UsageError(Code.BAD_CONFIG, message, _fix()) from error
    except ValueError as error:
        raise UsageError(Code.BAD_CONFIG, f"{POINTER} is not JSON: {error}", _fix()) from error
    named = content.get("feature_directory", "") if isinstance(content, dict) else None
    if not isinstance(named, str):
        message = f"{POINTER} has no text under “feature_directory”."
        raise UsageError(Code.BAD_CONFIG, message, _fix())
    return named.strip()


def _candidates(root: Path) -> list[Path]:
    try:
        folders = sorted(each for each in (root / "specs").iterdir() if each.is_dir())
        return [each for each in folders if any((each / mark).is_file() for mark in _MARKS)]
    except OSError:
        return []


def _of_branch(candidates: list[Path], branch: str | None) -> list[Path]:
    names = {branch, *(branch or "").split("/")}
    return [each for each in candidates if each.name in names]


def _read(path: Path, name: str) -> bytes:
    hint = "Write the tasks: /speckit.tasks"
    try:
        with files.open_regular(path) as file:
            return file.read(SIZE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(Code.NO_TASKS_FILE, f"{name} does not exist.", hint) from error
    except OSError as error:
        message = f"{name} cannot be read: {error.strerror}."
        raise UsageError(Code.NO_TASKS_FILE, message, hint) from error


def _decode(data: bytes, name: str) -> str:
    if data.startswith(_UTF16):
        raise UsageError(Code.NOT_UTF8, f"{name} is UTF-16, not UTF-8.", "Save it as UTF-8.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{name} is not UTF-8: byte {error.start}, on line {line}."
        raise UsageError(Code.NOT_UTF8, message, "Save it as UTF-8.", line=line) from error


def _remedy(example: str) -> str:
    return f"Say which one: {VARIABLE}={example}"


def _fix() -> str:
    return f'Fix it, e.g. {{"feature_directory": "specs/001-demo"}}, or set {VARIABLE}=specs/…'


def _short(text: str) -> str:
    return text[:120]
