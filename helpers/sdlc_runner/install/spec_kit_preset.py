"""Spec-kit's own CLI, which keeps our command through its upgrades."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner import process
from sdlc_runner.errors import Code, RunnerError, UsageError
from sdlc_runner.install import bundle_files, command_wrapper
from sdlc_runner.install.worktree import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdlc_runner.install.spec_kit_variant import SpecKitLayout
    from sdlc_runner.install.worktree import Worktree

PROGRAM = "specify"
_FOLDER = f".specify/presets/{bundle_files.PRESET}"
_REGISTRY = ".specify/presets/.registry"
_RECORD = ".specify/integrations/opencode.manifest.json"
_PRIORITY = "5"  # the fork's own preset has 10, and the lower number wins
_SECONDS = 120.0


def is_there(environ: Mapping[str, str]) -> bool:
    """Whether the CLI is on PATH."""
    return shutil.which(PROGRAM, path=environ.get("PATH")) is not None


def is_registered(target: Worktree) -> bool:
    """Whether the CLI has the preset, no matter who registered it."""
    return target.read(f"{_FOLDER}/preset.yml") is not None


def commands(target: Worktree, found: SpecKitLayout) -> tuple[str, ...]:
    """Return the commands that the preset changes in a repository."""
    written = (name for name in found.tasks_commands if target.read(name) is not None)
    return (*found.commands, *written)


def is_current(target: Worktree, found: SpecKitLayout) -> bool:
    """Whether this very preset is registered and in force."""
    same = all(
        target.read(f"{_FOLDER}/{name}") == content
        for name, content in bundle_files.preset(found.variant).items()
    )
    return same and _in_force(target, found)


def _in_force(target: Worktree, found: SpecKitLayout) -> bool:
    texts = (target.read(name) or b"" for name in commands(target, found))
    return all(command_wrapper.is_ours(text.decode("utf-8", "replace")) for text in texts)


def add(target: Worktree, found: SpecKitLayout, environ: Mapping[str, str]) -> bool:
    """Register the preset; False where the CLI on PATH is not the one this repository is of."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in bundle_files.preset(found.variant).items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        done = _specify(target, environ, "add", "--dev", folder, "--priority", _PRIORITY)
    return done.ok and _in_force(target, found)


def remove(target: Worktree, before: Mapping[str, bytes], environ: Mapping[str, str]) -> None:
    """Take the preset out again; what was there before comes back byte for byte.

    The CLI rewrites the stock command, with other margins: where it still says the same, the
    former bytes are better, and its record of them is put right.
    """
    if not is_there(environ):
        raise UsageError(
            Code.NOT_INSTALLED,
            "Spec-kit's CLI has the preset in its records, and is not on PATH.",
            "Install it (`uv tool install specify-cli`), then try again.",
        )
    composed = {name: sha256(target.read(name) or b"") for name in before}
    if is_registered(target):
        done = _specify(target, environ, "remove", bundle_files.PRESET)
        if not done.ok:
            raise RunnerError(Code.INTERNAL, f"`specify preset remove` failed: {done.error_text}")
    for name, former in before.items():
        now = (target.read(name) or b"").decode("utf-8", "replace")
        if not now or command_wrapper.same_steps(now, former.decode("utf-8", "replace")):
            target.write(name, former)
            _correct_record(target, composed[name], sha256(former))
    _drop_empty_registry(target)


def _correct_record(target: Worktree, ours: str, former: str) -> None:
    record = target.read(_RECORD)
    if record and ours.encode() in record:
        target.write(_RECORD, record.replace(ours.encode(), former.encode()))


def _drop_empty_registry(target: Worktree) -> None:
    registry = target.read(_REGISTRY)
    try:
        empty = registry is not None and not json.loads(registry).get("presets")
    except (ValueError, AttributeError):
        empty = False
    if empty:
        target.remove(_REGISTRY)
        target.prune([".specify/presets"])


def _specify(target: Worktree, environ: Mapping[str, str], *argv: str) -> process.Completed:
    return process.run(
        _argv(argv), cwd=target.root, env={**environ, "NO_COLOR": "1"}, timeout=_SECONDS
    )


def _argv(argv: Sequence[str]) -> tuple[str, ...]:
    return (PROGRAM, "preset", *argv)
