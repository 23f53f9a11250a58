"""``uninstall``: removes the bundle, and leaves the repository as it was before."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, ExitCode, UsageError
from sdlc_runner.events.types import InstalledEvent, RemovedEvent, SummaryEvent, WarningEvent
from sdlc_runner.install import (
    bundle_files,
    command_wrapper,
    live_titles,
    manifest,
    permissions,
    spec_kit_preset,
)
from sdlc_runner.install.worktree import Worktree, sha256
from sdlc_runner.output.render import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.commands.call import Call
    from sdlc_runner.install.manifest import Manifest, ManifestEntry
    from sdlc_runner.output.output import Output


def run(call: Call) -> ExitCode:
    """Remove the files that still have the hash of installation, and restore what they replaced."""
    environ, output, dry_run = call.environ, call.output, call.args.dry_run
    target = Worktree(call.target)
    known = manifest.read(target.root)
    if known == manifest.EMPTY:
        raise UsageError(
            Code.NOT_INSTALLED,
            f"The bundle is not installed in {target.root}.",
            "There is nothing to remove.",
        )
    live_titles.remove(target, output, dry_run=dry_run)
    if not dry_run:
        _remove_all(target, known, environ, output)
    count = emit_files(output, RemovedEvent, known.files, dry_run=dry_run)
    if known.preset:
        output.emit(RemovedEvent(what="preset", name=bundle_files.PRESET, dry_run=dry_run or None))
    verb = "would be removed or restored" if dry_run else "removed or restored; restart OpenCode"
    output.emit(
        SummaryEvent(
            verb="uninstall",
            verdict=f"{counted(count, 'file')} {verb}.",
            ok=True,
            exit=int(ExitCode.OK),
            counts={"files": count},
        )
    )
    return ExitCode.OK


def emit_files(
    output: Output,
    event: type[InstalledEvent | RemovedEvent],
    files: Mapping[str, ManifestEntry],
    *,
    dry_run: bool,
) -> int:
    """Report files one by one, those of the runner's own folder all at once; return how many."""
    inside = [name for name in files if name.startswith(f"{bundle_files.HOME}/")]
    for name, entry in files.items():
        if name not in inside:
            output.emit(event(what=entry.what, name=name, dry_run=dry_run or None))
    if inside:
        name = f"{bundle_files.HOME} ({counted(len(inside), 'file')})"
        output.emit(event(what="file", name=name, dry_run=dry_run or None))
    return len(files)


def _remove_all(
    target: Worktree, known: Manifest, environ: Mapping[str, str], output: Output
) -> None:
    if known.preset:
        remove_preset(target, known, environ)
    for name, entry in known.files.items():
        of_preset = known.preset and entry.before and entry.what == "command"
        if of_preset or undo(target, name, entry, output):
            target.remove(f"{manifest.BEFORE}/{name}")
    target.remove(manifest.FILE)
    target.prune([*known.folders, *_folders(known)])


def remove_preset(target: Worktree, known: Manifest, environ: Mapping[str, str]) -> None:
    """Unregister the preset; its commands become what they were."""
    names = (name for name, entry in known.files.items() if entry.what == "command")
    stood = ((name, target.read(f"{manifest.BEFORE}/{name}")) for name in names)
    spec_kit_preset.remove(target, {name: content for name, content in stood if content}, environ)


def undo(target: Worktree, name: str, entry: ManifestEntry, output: Output) -> bool:
    """Restore one file; False if the user changed it."""
    current = target.read(name)
    before = target.read(f"{manifest.BEFORE}/{name}") if entry.before else None
    if current is None:
        return True
    if sha256(current) == entry.sha256 and not entry.before:
        target.remove(name)
        return True
    if sha256(current) == entry.sha256 and before is not None:
        target.write(name, before)
        return True
    if _undo_in_part(target, name, entry, current.decode("utf-8", "replace")):
        return True
    output.emit(
        WarningEvent(
            code="changed_since",
            message=f"{name} was changed since it was installed, so it is left as it is.",
            hint=f"The file it replaced is in {manifest.BEFORE}/{name}" if before else None,
        )
    )
    return False


def _undo_in_part(target: Worktree, name: str, entry: ManifestEntry, text: str) -> bool:
    """Remove from a changed file what is certainly the bundle's; whether all of it is gone."""
    if entry.what == "command":
        return entry.before and not command_wrapper.is_ours(
            text
        )  # an upgrade of spec-kit replaced it
    taken = permissions.take_out(text, entry.inserted) if entry.inserted else None
    if taken is not None:
        target.write(name, taken.encode())
    return taken is not None


def _folders(known: Manifest) -> set[str]:
    """Return the bundle's own folders, in which Python may have left its caches."""
    names = [*known.files, *(f"{manifest.BEFORE}/{name}" for name in known.files)]
    parents = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    return {name for name in parents if name.startswith(bundle_files.HOME)}
