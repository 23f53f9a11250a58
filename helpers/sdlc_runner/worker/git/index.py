"""Records a work tree in an index: the agent's files, and nothing that lies elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner.git.command import Git, failure
from sdlc_runner.worker.git import untrusted_tree
from sdlc_runner.worker.git.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sdlc_runner.worker.git.snapshot import Batch

_GITLINK = "160000"
_NO_ATTRIBUTES = "* -working-tree-encoding -filter -text -ident\n"
_CHANGED = ("ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard")
_UNREADABLE = re.compile(r"^warning: could not open directory '(.+)': Permission", re.MULTILINE)
_REFUSED = re.compile(r"^Ignoring path (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Staging:
    """A git with an index of ours, and the work tree, which may change meanwhile."""

    git: Git
    git_dir: Path
    work: Path

    def record(self) -> tuple[str, ...]:
        """Bring the index up to date; returns what could not be recorded.

        Of repositories that the agent made inside, their files: left to itself git records a
        link to such a repository, or refuses to record anything.
        """
        held, moved = self._links()
        # Left to itself git would ask a submodule's own git, whose settings are the agent's.
        self._update("--skip-worktree", held)
        self._update("--force-remove", moved)
        listed = self.git.try_run(*_CHANGED)
        if not listed.ok:
            raise failure(listed)
        snapshot = Snapshot(self.work, self.git_dir)
        refused = [
            name
            for batch in snapshot.batches(self._files(entries(listed.text)))
            for name in self._record(batch)
        ]
        self._update("--force-remove", snapshot.gone)
        unreadable = _UNREADABLE.findall(listed.error_text)
        return tuple(sorted({*snapshot.left_out, *refused, *unreadable}))

    def _update(self, flag: str, paths: Iterable[str]) -> None:
        if paths:
            self.git.run("update-index", "-z", flag, "--stdin", stdin=lines(paths))

    def _files(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            if name.endswith("/"):
                yield from self._files_in(name.rstrip("/"))
            else:
                yield name

    def _files_in(self, folder: str) -> Iterator[str]:
        """List the files of a repository inside, without asking its own git for anything."""
        options = (f"--git-dir={self.git_dir}", f"--work-tree={self.work / folder}")
        inside = Git(self.git_dir.parent, options, {"GIT_INDEX_FILE": str(self.git_dir / "none")})
        found = inside.run("ls-files", "--others", "--exclude-standard", "-z")
        return self._files(f"{folder}/{name}" for name in entries(found))

    def _record(self, batch: Batch) -> list[str]:
        """Record copies; as they are, if an attribute of the agent's would lose one of them."""
        inside = self.git._replace(options=(*self.git.options, f"--work-tree={batch.folder}"))
        words = ("update-index", "--add", "--replace", "-z", "--stdin")
        done = inside.try_run(*words, stdin=lines(batch.names))
        if not done.ok:
            (self.git_dir / "info" / "attributes").write_text(_NO_ATTRIBUTES)
            done = inside.try_run(*words, stdin=lines(batch.names))
        if not done.ok:
            raise failure(done)
        return _REFUSED.findall(done.error_text)

    def _links(self) -> tuple[list[str], list[str]]:
        """Return the submodules: those as they were, and those in which the agent committed.

        A link to such a commit would lose it, since nobody pushes it.
        """
        held: list[str] = []
        moved: list[str] = []
        for entry in entries(self.git.run("ls-files", "--stage", "-z")):
            (mode, commit, _), path = entry.partition("\t")[0].split(" "), entry.partition("\t")[2]
            if mode == _GITLINK:
                head = untrusted_tree.head_of(self.work, path)
                (moved if head not in {"", commit} else held).append(path)
        return held, moved


def lines(paths: Iterable[str]) -> bytes:
    """Write paths as git reads them with ``-z --stdin``."""
    return "\0".join(paths).encode("utf-8", "surrogateescape")


def entries(text: str) -> list[str]:
    """Split what git prints with ``-z``."""
    return [entry for entry in text.split("\0") if entry]
