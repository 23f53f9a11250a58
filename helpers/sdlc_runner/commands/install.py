"""``install``: copies the bundle into a repository, and overwrites no file of the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.commands import uninstall
from sdlc_runner.errors import Code, ExitCode, UsageError
from sdlc_runner.events.types import InstalledEvent, SummaryEvent, WarningEvent
from sdlc_runner.install import (
    bundle_files,
    desired_files,
    live_titles,
    manifest,
    permissions,
    spec_kit_preset,
    spec_kit_variant,
)
from sdlc_runner.install.desired_files import DesiredFile
from sdlc_runner.install.manifest import Manifest
from sdlc_runner.install.spec_kit_variant import SpecKitVariant
from sdlc_runner.install.worktree import Worktree, sha256
from sdlc_runner.output.render import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.commands.call import Call
    from sdlc_runner.install.desired_files import DesiredFiles
    from sdlc_runner.install.spec_kit_variant import SpecKitLayout
    from sdlc_runner.output.output import Output


class Job(NamedTuple):
    """What one call works on."""

    target: Worktree
    known: Manifest
    found: SpecKitLayout
    environ: Mapping[str, str]


def run(call: Call) -> ExitCode:
    """Bring a repository to the state of this bundle; a second time there is nothing to do."""
    root, environ, output = call.target, call.environ, call.output
    dry_run, titles = call.args.dry_run, call.args.live_titles
    if bundle_files.is_source_of(root):
        raise UsageError(
            Code.BAD_ARGUMENT,
            f"{root} is the repository of the bundle itself.",
            "Name your own repository.",
        )
    target = Worktree(root)
    titles = titles or live_titles.is_there(target)
    if titles:
        live_titles.check(target)
    known = manifest.read(target.root)
    found = spec_kit_variant.find(target.root, _own(target, known))
    job = Job(target, known, found, environ)
    preset = _suits_preset(job)
    rules = permissions.rules([row.name for row in call.commands.values() if row.in_session])
    wanted = desired_files.collect(target, known, found, rules, in_place=not preset)
    new_preset = preset and not spec_kit_preset.is_current(target, found)
    if not dry_run:
        if new_preset and not _register(job):
            preset = new_preset = False
            wanted = desired_files.collect(target, known, found, rules, in_place=True)
        _put(job, wanted, output, preset=preset)
    more = 0
    if titles:
        more = live_titles.put(target, environ, output, dry_run=dry_run)
    return _summarize(job, wanted, output, new_preset=new_preset, dry_run=dry_run, more=more)


def _own(target: Worktree, known: Manifest) -> frozenset[str]:
    """Return the files that were not there before and are still as we wrote them."""
    return frozenset(
        name
        for name, entry in known.files.items()
        if not entry.before and sha256(target.read(name) or b"") == entry.sha256
    )


def _suits_preset(job: Job) -> bool:
    """Whether spec-kit's CLI can keep our command through its upgrades, and nothing is lost."""
    if job.known.preset or spec_kit_preset.is_registered(job.target):
        return True
    if job.found.variant not in {
        SpecKitVariant.UPSTREAM,
        SpecKitVariant.FORK,
    } or not spec_kit_preset.is_there(job.environ):
        return False
    commands = spec_kit_preset.commands(job.target, job.found)
    return spec_kit_variant.is_as_installed(job.target.root, commands)


def _register(job: Job) -> bool:
    """Have the CLI compose the commands; False, with all as it was, where it cannot."""
    if job.known.preset or spec_kit_preset.is_registered(job.target):
        uninstall.remove_preset(job.target, job.known, job.environ)
    before = {
        name: job.target.read(name) or b""
        for name in spec_kit_preset.commands(job.target, job.found)
    }
    for name, content in before.items():
        job.target.write(f"{manifest.BEFORE}/{name}", content)
    if spec_kit_preset.add(job.target, job.found, job.environ):
        return True
    spec_kit_preset.remove(job.target, before, job.environ)
    return False


def _put(job: Job, wanted: DesiredFiles, output: Output, *, preset: bool) -> None:
    """Write every file, and what it was before, and last of all the manifest."""
    if preset:
        for name in spec_kit_preset.commands(job.target, job.found):
            now = job.target.read(name) or b""
            wanted.entries[name] = DesiredFile("command", now, now).entry
    for name in job.known.files.keys() - wanted.entries.keys() - {*wanted.kept}:
        if uninstall.undo(job.target, name, job.known.files[name], output):
            job.target.remove(f"{manifest.BEFORE}/{name}")
    for name, before in wanted.before.items():
        if job.target.read(f"{manifest.BEFORE}/{name}") != before:
            job.target.write(f"{manifest.BEFORE}/{name}", before)
    for name, piece in wanted.writes.items():
        job.target.write(name, piece.content)
    made = (*job.known.folders, *job.target.made)
    new = Manifest(wanted.entries, tuple(sorted({*made})), preset)
    if new != job.known:
        job.target.write(manifest.FILE, manifest.to_bytes(new))


def _summarize(
    job: Job, wanted: DesiredFiles, output: Output, *, new_preset: bool, dry_run: bool, more: int
) -> ExitCode:
    for name in wanted.kept:
        output.emit(
            WarningEvent(
                code="changed_since",
                message=f"{name} was changed since it was installed, so it is left as it is.",
                hint="To replace it, delete it and run `sdlc-runner install` again.",
            )
        )
    written = {name: piece.entry for name, piece in wanted.writes.items()}
    count = more + uninstall.emit_files(output, InstalledEvent, written, dry_run=dry_run)
    if new_preset:
        output.emit(
            InstalledEvent(what="preset", name=bundle_files.PRESET, dry_run=dry_run or None)
        )
    output.emit(
        SummaryEvent(
            verb="install",
            verdict=_verdict(job, count, changed=new_preset or count > 0, dry_run=dry_run),
            ok=True,
            exit=int(ExitCode.OK),
            counts={"files": count},
        )
    )
    return ExitCode.OK


def _verdict(job: Job, count: int, *, changed: bool, dry_run: bool) -> str:
    where = f"This repository has {job.found.variant.value}"
    if not changed:
        return f"{where}; the bundle is already installed. Type {job.found.typed}."
    if dry_run:
        return f"{where}; {counted(count, 'file')} would be written for {job.found.typed}."
    return (
        f"{where}; {counted(count, 'file')} written. "
        f"Commit them, restart OpenCode, then type {job.found.typed}."
    )
