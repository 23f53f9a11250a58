"""``install --live-titles``: OpenCode's task rows show the newest line of what runs.

Each person's own choice for one checkout: git ignores all of it, so that neither colleagues nor
agents that clone the repository have a plugin to wait for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner import files
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.events.types import InstalledEvent, RemovedEvent, WarningEvent
from sdlc_runner.install import bundle_files, manifest
from sdlc_runner.install.manifest import Manifest, ManifestEntry
from sdlc_runner.install.worktree import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdlc_runner.install.worktree import Worktree
    from sdlc_runner.output.output import Output

PLUGIN = ".opencode/plugins/sdlc-runner-live-titles.js"
FILE = f"{bundle_files.HOME}/live-titles.json"
_LOCK = "package-lock.json"
_MODULES = "node_modules"
_NEEDED = "@opencode-ai/plugin"
# A plugin has OpenCode wait until npm has put this package into every folder of configuration.
# Ours needs no package, so a lock file that names it saves the wait and 63 MB.
_NAMES_IT = {
    "lockfileVersion": 3,
    "requires": True,
    "packages": {"": {"dependencies": {_NEEDED: "*"}}},
}
_IGNORED = f".gitignore\n{Path(PLUGIN).name}\n"
_IGNORED_BY_OPENCODE = "node_modules\npackage.json\npackage-lock.json\nbun.lock\n.gitignore"
_FOLDERS = (f".opencode/{_MODULES}", ".opencode/plugins")
_OTHERS = ("plugin", "plugins", "tool", "tools")


def is_there(target: Worktree) -> bool:
    """Whether this checkout has them."""
    return target.read(FILE) is not None


def check(target: Worktree) -> None:
    """Raise ``not_ours`` where a stranger's file has the plugin's name."""
    known = manifest.read(target.root, FILE)
    if not _is_ours(target, known, PLUGIN) and PLUGIN not in known.files:
        raise UsageError(
            Code.NOT_OURS, f"{PLUGIN} is there already.", "Move it away, then install again."
        )


def put(target: Worktree, environ: Mapping[str, str], output: Output, *, dry_run: bool) -> int:
    """Put the plugin into a checkout, and say what it would wait for; return how many files."""
    known = manifest.read(target.root, FILE)
    wanted = dict(_wanted(target, known))
    entries = {name: ManifestEntry("file", sha256(content)) for name, content in wanted.items()}
    writes = [name for name, content in wanted.items() if target.read(name) != content]
    new = Manifest({**known.files, **entries}, _folders(target, known))
    if new != known and not dry_run:
        # First, so that an install that is killed can be undone.
        target.write(FILE, manifest.to_bytes(new))
    for name in writes:
        if not dry_run:
            target.write(name, wanted[name])
        output.emit(InstalledEvent(what="file", name=name, dry_run=dry_run or None))
    _warn_of_slow_start(target, wanted, environ, output)
    return len(writes)


def remove(target: Worktree, output: Output, *, dry_run: bool) -> None:
    """Remove what is as we wrote it."""
    known = manifest.read(target.root, FILE)
    for name, entry in known.files.items():
        current = target.read(name)
        if current is not None and sha256(current) != entry.sha256:
            output.emit(
                WarningEvent(
                    code="changed_since",
                    message=f"{name} was changed since it was installed, and stays as it is.",
                )
            )
            continue
        output.emit(RemovedEvent(what="file", name=name, dry_run=dry_run or None))
        if not dry_run:
            target.remove(name)
    if not dry_run:
        target.remove(FILE)
        target.prune(known.folders)


def _folders(target: Worktree, known: Manifest) -> tuple[str, ...]:
    """Return the folders that are there only for us."""
    new = (name for name in _FOLDERS if not (target.root / name).is_dir())
    return tuple(sorted({*known.folders, *new}))


def _wanted(target: Worktree, known: Manifest) -> Iterator[tuple[str, bytes]]:
    """Yield what is ours to write: nothing that somebody else has there."""
    for name, content in _pieces(target, known):
        if _is_ours(target, known, name):
            yield name, content


def _pieces(target: Worktree, known: Manifest) -> Iterator[tuple[str, bytes]]:
    yield PLUGIN, bundle_files.live_titles()
    yield ".opencode/plugins/.gitignore", _IGNORED.encode()
    yield ".opencode/.gitignore", _IGNORED_BY_OPENCODE.encode()
    lock, modules = f".opencode/{_LOCK}", f".opencode/{_MODULES}/.gitignore"
    if lock in known.files or not _is_used(target):
        yield lock, (json.dumps(_NAMES_IT) + "\n").encode()
        yield modules, b"*\n"


def _is_ours(target: Worktree, known: Manifest, name: str) -> bool:
    current, entry = target.read(name), known.files.get(name)
    return current is None or (entry is not None and entry.sha256 == sha256(current))


def _is_used(target: Worktree) -> bool:
    """Whether packages are there already, or other plugins and tools that may import some."""
    folder = target.root / ".opencode"
    if any((folder / name).exists() for name in (_MODULES, _LOCK, "package.json")):
        return True
    found = (path for name in _OTHERS for path in folder.glob(f"{name}/*.[jt]s"))
    return any(path != target.root / PLUGIN for path in found)


def _warn_of_slow_start(
    target: Worktree, wanted: Mapping[str, bytes], environ: Mapping[str, str], output: Output
) -> None:
    """Name the folders that OpenCode still has to fill; outside of the checkout none is ours."""
    folders = list(_user_folders(environ))
    if f".opencode/{_LOCK}" not in wanted:
        folders.append(target.root / ".opencode")
    unfilled = [str(folder) for folder in folders if not _is_filled(folder)]
    if unfilled:
        output.emit(
            WarningEvent(
                code="slow_start",
                message="OpenCode will start slowly until npm has filled "
                f"{' and '.join(unfilled)}.",
                hint="OpenCode does that itself, once, where npm reaches its registry; "
                "else see docs/opencode.md, live titles.",
            )
        )


def _user_folders(environ: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environ.get("HOME") or Path.home())
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "opencode"
    if (home / ".opencode").is_dir():
        yield home / ".opencode"
    if environ.get("OPENCODE_CONFIG_DIR"):
        yield Path(environ["OPENCODE_CONFIG_DIR"])


def _is_filled(folder: Path) -> bool:
    """Whether OpenCode finds there what it looks for."""
    try:
        lock = files.read_json(folder / _LOCK, 64 * files.MIB)
        return (folder / _MODULES).is_dir() and _NEEDED in lock["packages"][""]["dependencies"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
