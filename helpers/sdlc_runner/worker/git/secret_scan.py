"""Looks for secrets in git blobs of any size, with little memory."""

from __future__ import annotations

import tempfile
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sdlc_runner.git.command import Git
    from sdlc_runner.worker.masking import Masker

_AT_ONCE = 64
_BYTES_AT_ONCE = 16 * 1024 * 1024


class _Blob(NamedTuple):
    id: str
    size: int  # -1 for what is not here: a submodule's commit


def hold_secrets(git: Git, ids: Sequence[str], masker: Masker, scratch: Path) -> Iterator[bool]:
    """Yield for each id whether its content holds a known secret; ``scratch`` takes large ones."""
    for batch in _batches(_sizes(git, ids)):
        if batch[0].size > _BYTES_AT_ONCE:
            with tempfile.TemporaryFile(dir=scratch) as file:
                git.run("cat-file", "blob", batch[0].id, stdout=file)
                yield _holds_secret(file, masker)
        else:
            yield from map(masker.contains, _contents(git, batch))


def _sizes(git: Git, ids: Sequence[str]) -> Iterator[_Blob]:
    text = git.run("cat-file", "--batch-check", stdin="\n".join(ids).encode()) if ids else ""
    for id_, line in zip(ids, text.splitlines(), strict=True):
        size = line.split(" ")[-1]
        yield _Blob(id_, int(size) if size.isdigit() else -1)


def _batches(blobs: Iterator[_Blob]) -> Iterator[list[_Blob]]:
    """Gather small blobs that follow each other; a large one stands alone."""
    batch: list[_Blob] = []
    for blob in blobs:
        total = sum(each.size for each in batch) + blob.size
        if batch and (len(batch) == _AT_ONCE or total > _BYTES_AT_ONCE):
            yield batch
            batch = []
        batch.append(blob)
    if batch:
        yield batch


def _contents(git: Git, batch: list[_Blob]) -> Iterator[bytes]:
    """Yield the contents; nothing for what is no blob here."""
    out = git.try_run("cat-file", "--batch", stdin="\n".join(each.id for each in batch).encode())
    at = 0
    for blob in batch:
        at = out.stdout.index(b"\n", at) + 1
        yield out.stdout[at : at + max(blob.size, 0)]
        at += blob.size + 1


def _holds_secret(file: IO[bytes], masker: Masker) -> bool:
    """Look at pieces that overlap, so that no secret can lie across a border."""
    overlap = max((len(form) for form in masker.forms), default=0)
    file.seek(0)
    rest = b""
    while piece := file.read(_BYTES_AT_ONCE):
        if masker.contains(rest + piece):
            return True
        rest = piece[-overlap:]
    return False
