"""What each file of a repository should become, and whether it is ours to write."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.install import bundle_files, command_wrapper, permissions
from sdlc_runner.install.manifest import BEFORE, ManifestEntry
from sdlc_runner.install.spec_kit_variant import PLAIN
from sdlc_runner.install.worktree import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdlc_runner.install.manifest import Manifest
    from sdlc_runner.install.permissions import Rules
    from sdlc_runner.install.spec_kit_variant import SpecKitLayout
    from sdlc_runner.install.worktree import Worktree


class DesiredFile(NamedTuple):
    """One file as it should be, and what it was before, if it was there."""

    what: str
    content: bytes
    before: bytes | None = None
    inserted: tuple[str, ...] = ()

    @property
    def entry(self) -> ManifestEntry:
        """What the manifest says of it."""
        return ManifestEntry(
            self.what, sha256(self.content), self.before is not None, self.inserted
        )


class DesiredFiles(NamedTuple):
    """All of them, those to write, what stood there before, and what a person changed and keeps."""

    entries: dict[str, ManifestEntry]
    writes: dict[str, DesiredFile]
    before: dict[str, bytes]
    kept: list[str]

    def add(self, name: str, piece: DesiredFile, current: bytes | None) -> None:
        """Want a file to be so."""
        self.entries[name] = piece.entry
        if piece.before is not None:
            self.before[name] = piece.before
        if current != piece.content:
            self.writes[name] = piece

    def keep(self, name: str, entry: ManifestEntry | None) -> None:
        """Leave a file as a person changed it."""
        self.kept.append(name)
        if entry is not None:
            self.entries[name] = entry


def collect(
    target: Worktree, known: Manifest, found: SpecKitLayout, rules: Rules, *, in_place: bool
) -> DesiredFiles:
    """Look at every file; raises ``not_ours`` where a stranger's is in the way."""
    pieces = DesiredFiles({}, {}, {}, [])
    for name, content in bundle_files.files().items():
        _file(target, known, pieces, name, DesiredFile("file", content))
    _permissions(target, known, pieces, rules)
    if not found.commands:
        own = DesiredFile("command", bundle_files.implement().encode())
        _file(target, known, pieces, PLAIN, own)
    elif in_place:
        for name, ours in _wrapped(target, found):
            _command(target, known, pieces, name, ours)
    return pieces


def _file(
    target: Worktree, known: Manifest, pieces: DesiredFiles, name: str, piece: DesiredFile
) -> None:
    current, entry = target.read(name), known.files.get(name)
    ours = entry is not None and current is not None and sha256(current) == entry.sha256
    if current is None or ours or current == piece.content:
        pieces.add(name, piece, current)
    elif entry is not None:
        pieces.keep(name, entry)
    else:
        raise UsageError(
            Code.NOT_OURS,
            f"{name} already exists and is not part of this bundle.",
            "Rename it or move it away, then run `sdlc-runner install` again.",
        )


def _wrapped(target: Worktree, found: SpecKitLayout) -> Iterator[tuple[str, str]]:
    for name in found.commands:
        yield name, bundle_files.implement()
    for name in found.tasks_commands:
        if target.read(name) is not None:
            yield name, bundle_files.tasks()


def _command(target: Worktree, known: Manifest, pieces: DesiredFiles, name: str, ours: str) -> None:
    """Put our text around a stock command: what it was before is kept beside the manifest."""
    current, entry = target.read(name) or b"", known.files.get(name)
    base = current
    if command_wrapper.is_ours(current.decode("utf-8", "replace")):
        before = target.read(f"{BEFORE}/{name}")
        if before is None or not _is_untouched(current, before, entry, ours):
            pieces.keep(name, entry)
            return
        base = before
    content = command_wrapper.around(_text(base, name), ours).encode()
    pieces.add(name, DesiredFile("command", content, base), current)


def _is_untouched(current: bytes, before: bytes, entry: ManifestEntry | None, ours: str) -> bool:
    """Whether a wrapped command is as we wrote it, also where the manifest was never written.

    That is so after an installation that was killed.
    """
    if entry is not None:
        return sha256(current) == entry.sha256
    return current == command_wrapper.around(before.decode("utf-8", "replace"), ours).encode()


def _permissions(target: Worktree, known: Manifest, pieces: DesiredFiles, rules: Rules) -> None:
    for name in permissions.FILES:
        current = target.read(name)
        if current is None:
            continue
        base = _without_ours(target, known, name, current)
        try:
            merged, inserted = permissions.merge(_text(base, name), rules)
        except ValueError as error:
            raise UsageError(
                Code.BAD_CONFIG,
                f"{name}: {error}.",
                f"Fix {name}, then run `sdlc-runner install` again.",
            ) from None
        if inserted:
            piece = DesiredFile("permissions", merged.encode(), base, inserted)
            pieces.add(name, piece, current)
            return


def _without_ours(target: Worktree, known: Manifest, name: str, current: bytes) -> bytes:
    """Return a configuration as it would be had we never touched it."""
    entry = known.files.get(name)
    if entry is None:
        return current
    before = target.read(f"{BEFORE}/{name}")
    if before is not None and sha256(current) == entry.sha256:
        return before
    taken = permissions.take_out(_text(current, name), entry.inserted)
    return current if taken is None else taken.encode()


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UsageError(Code.NOT_UTF8, f"{name} is not UTF-8.", "Save it as UTF-8.") from None
