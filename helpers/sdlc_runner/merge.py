"""Merging branches in a work tree of its own: nothing of the user's is touched or trusted.

Everything is tried there first, which is the forecast; only a push makes it real.
"""

from __future__ import annotations

import fcntl
import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner import naming, protected
from sdlc_runner.errors import Code, RunnerError
from sdlc_runner.git import Git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sdlc_runner.repo import Repo

_NAME, _EMAIL = "Agentic SDLC Runner", "sdlc-runner@localhost"
# Of the user's settings those are kept that say how files merge, none that run or ask or skip.
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.sparseCheckout=false",
    "commit.gpgSign=false",
    "merge.verifySignatures=false",
    "push.followTags=false",
    "push.recurseSubmodules=no",
    "rerere.enabled=false",
    "submodule.recurse=false",
)
_OPTIONS = tuple(word for setting in _SETTINGS for word in ("-c", setting))


@dataclass(frozen=True)
class Merged:
    """One branch that went in; ``stripped`` names files whose edits were left out."""

    commit: str
    stripped: tuple[str, ...]


@dataclass(frozen=True)
class Conflict:
    """One branch that did not go in, and why."""

    files: tuple[str, ...]


@dataclass(frozen=True)
class MergeTree:
    """A detached work tree at the feature branch's commit on the remote."""

    git: Git
    path: Path
    feature_dir: str

    @property
    def head(self) -> str:
        """What would be pushed."""
        return self.git.run("rev-parse", "HEAD")

    def merge(self, commit: str, subject: str) -> Merged | Conflict:
        """Merge a commit, without its edits to protected files; a conflict changes nothing."""
        done = self.git.try_run("merge", "--no-ff", "--no-commit", "--quiet", commit)
        stripped = self._restore_protected()
        conflicts = self._names("diff", "--diff-filter=U")
        if conflicts:
            self._give_up()
            return Conflict(conflicts)
        if not done.ok and not self.git.try_run("rev-parse", "--verify", "-q", "MERGE_HEAD").ok:
            self._give_up()
            raise RunnerError(Code.GIT_FAILED, f"git merge failed: {done.error_text[:300]}")
        self.git.run("commit", "--allow-empty", "--no-verify", "--quiet", "-m", subject)
        return Merged(self.head, stripped)

    def _give_up(self) -> None:
        self.git.run("reset", "--hard", "--quiet", "HEAD")
        self.git.run("clean", "-ffdxq")

    def _restore_protected(self) -> tuple[str, ...]:
        changed = (*self._names("diff", "--cached"), *self._names("diff", "--diff-filter=U"))
        mine = [path for path in changed if protected.is_protected(path, self.feature_dir)]
        for path in dict.fromkeys(mine):
            if self.git.try_run("cat-file", "-e", f"HEAD:{path}").ok:
                self.git.run("checkout", "--quiet", "HEAD", "--", path)
            else:
                self.git.run("rm", "--quiet", "-f", "--ignore-unmatch", "--", path)
        return tuple(dict.fromkeys(mine))

    def _names(self, verb: str, *options: str) -> tuple[str, ...]:
        against = ("HEAD",) if "--cached" in options else ()
        text = self.git.run(verb, "--name-only", "-z", "--no-renames", *options, *against)
        return tuple(name for name in text.split("\0") if name)

    def commit_file(self, path: str, data: bytes, subject: str) -> str:
        """Commit new bytes of one file, exactly as they are, and return the commit."""
        blob = self.git.run("hash-object", "-w", "--stdin", "--no-filters", stdin=data)
        mode = self.git.run("ls-files", "--stage", "--", path).split(" ")[0] or "100644"
        self.git.run("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")
        self.git.run("commit", "--no-verify", "--quiet", "-m", subject)
        self.git.run("checkout", "--quiet", "-f", "HEAD", "--", path)
        return self.head

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes as they are committed."""
        done = self.git.try_run("cat-file", "blob", f"HEAD:{path}")
        return done.stdout if done.ok else None


@contextmanager
def merge_tree(repo: Repo, state: Path, commit: str, feature_dir: str) -> Iterator[MergeTree]:
    """Lend a work tree at ``commit``; one merge at a time for each repository on this machine."""
    folder = state / "merge" / naming.digest(str(repo.root))[:16]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob("tree-*"):  # by a merge that was killed
            _remove(repo, left)
        # A git that outlived its killed merge still writes into the folder of that one.
        path = folder / f"tree-{uuid.uuid4().hex[:12]}"
        path.mkdir()
        outside = Git(repo.root, _OPTIONS)
        outside.run("worktree", "add", "--quiet", "--detach", str(path), commit)
        try:
            yield MergeTree(Git(path, _OPTIONS, _identity(repo)), path, feature_dir)
        finally:
            _remove(repo, path)


def _remove(repo: Repo, path: Path) -> None:
    """Remove this one work tree; ``prune`` would forget those of the user's that are away."""
    shutil.rmtree(path, ignore_errors=True)
    repo.git.try_run("worktree", "remove", "--force", "--force", str(path))


def _identity(repo: Repo) -> dict[str, str]:
    """Commit as the user; as the runner only where git does not know who the user is."""
    known = repo.git.try_run("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    if known.ok:
        return {}
    return {
        "GIT_AUTHOR_NAME": _NAME,
        "GIT_AUTHOR_EMAIL": _EMAIL,
        "GIT_COMMITTER_NAME": _NAME,
        "GIT_COMMITTER_EMAIL": _EMAIL,
    }
