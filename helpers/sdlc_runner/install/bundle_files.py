"""The bundle: every file that goes into a repository, and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner.install import command_wrapper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdlc_runner.install.spec_kit_variant import SpecKitVariant

HOME = ".opencode/sdlc-runner"
RUN = f"{HOME}/run.py"
PRESET = "sdlc-runner"
IMPLEMENT = "commands/implement.md"
_PACKAGE = Path(__file__).resolve().parents[1]
_HERE = _PACKAGE / "bundle"
_FILES = (
    "agents/async-runner.md",
    "commands/async-attach.md",
    "commands/async-cancel.md",
    "commands/async-merge.md",
    "commands/async-status.md",
    "skills/async-runner/SKILL.md",
    "sdlc-runner/.gitignore",
    "sdlc-runner/run.py",
)
_PRESETS = (
    "speckit/preset.yml",
    "speckit/commands/implement.md",
    "speckit/commands/tasks.md",
    "fork/preset.yml",
    "fork/commands/implement.md",
)
_LIVE_TITLES = "live-titles.js"
_ENDINGS = {".py", ".json", ".typed"}


def is_source_of(root: Path) -> bool:
    """Whether a repository is the bundle's own, where it has nothing to be installed."""
    return (_HERE / "opencode").resolve() == (root / ".opencode").resolve()


def files() -> dict[str, bytes]:
    """Return what every repository gets, by its path there."""
    found = {f".opencode/{name}": _read("opencode", name) for name in _FILES}
    package = f"{HOME}/{_PACKAGE.name}"
    for name in _modules():
        found[f"{package}/{name}"] = (_PACKAGE / name).read_bytes()
    for name in (*_FILES, IMPLEMENT):  # so that the copy can install others
        found[f"{package}/bundle/opencode/{name}"] = _read("opencode", name)
    for name in _PRESETS:
        found[f"{package}/bundle/presets/{name}"] = _read("presets", name)
    found[f"{package}/bundle/plugin/{_LIVE_TITLES}"] = live_titles()
    return found


def implement() -> str:
    """Return the implement command, with steps of its own for want of stock ones."""
    return _read("opencode", IMPLEMENT).decode()


def tasks() -> str:
    """Return the addition to the command that writes tasks.md."""
    return _read("presets", "speckit/commands/tasks.md").decode()


def live_titles() -> bytes:
    """Return the plugin that shows what runs; OpenCode loads it only where somebody wants it."""
    return _read("plugin", _LIVE_TITLES)


def preset(variant: SpecKitVariant) -> dict[str, bytes]:
    """Return the files of the spec-kit preset for a variant."""
    folder = "fork" if variant is variant.FORK else "speckit"
    inside = (name.removeprefix(f"{folder}/") for name in _PRESETS if name.startswith(folder))
    return {name: _read("presets", f"{folder}/{name}") for name in inside}


def wrapped_implement() -> str:
    """Return the implement command as both presets have it."""
    return command_wrapper.with_core_placeholder(implement())


def _read(part: str, name: str) -> bytes:
    return (_HERE / part / name).read_bytes()


def _modules() -> Iterator[str]:
    for path in sorted(_PACKAGE.rglob("*")):
        name = path.relative_to(_PACKAGE)
        if path.suffix in _ENDINGS and path.is_file() and name.parts[0] != _HERE.name:
            yield name.as_posix()
