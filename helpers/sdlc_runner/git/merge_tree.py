"""Merging branches in a work tree of its own: nothing of the user's is touched or trusted.

Everything is tried there first, which is the forecast; only a push makes it real.
"""

from __future__ import annotations

import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner import files
from sdlc_runner.digest import digest
from sdlc_runner.errors import Code, RunnerError
from sdlc_runner.git import protected_paths
from sdlc_runner.git.command import Git, restore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdlc_runner.git.repository import Repo

_NAME, _EMAIL = "Agentic SDLC Runner", "sdlc-runner@localhost"
# Of the user's settings those are kept that say how files merge, none that run or ask or skip.
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.sparseCheckout=true",
    "core.sparseCheckoutCone=false",
    "index.sparse=false",
    "commit.gpgSign=false",
    "merge.verifySignatures=false",
    "push.followTags=false",
    "push.recurseSubmodules=no",
    "rerere.enabled=false",
    "submodule.recurse=false",
)
# Merging needs no files on disk but those in conflict: none is written, however large the
# repository, and none is "changed" where its line ends contradict .gitattributes.
_CHECK_OUT_NOTHING = "/.nothing-at-all\n"
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
            self.reset()
            return Conflict(conflicts)
        if not done.ok and not self.git.try_run("rev-parse", "--verify", "-q", "MERGE_HEAD").ok:
            self.reset()
            raise RunnerError(Code.GIT_FAILED, f"git merge failed: {done.error_text[:300]}")
        self.git.run("commit", "--allow-empty", "--no-verify", "--quiet", "-m", subject)
        self.reset()
        return Merged(self.head, stripped)

    def reset(self, commit: str = "HEAD") -> None:
        """Go back to a commit, by default to the last one, with nothing on disk."""
        self.git.run("reset", "--hard", "--quiet", commit)
        self.git.run("clean", "-ffdxq")

    def _restore_protected(self) -> tuple[str, ...]:
        changed = (*self._names("diff", "--cached"), *self._names("diff", "--diff-filter=U"))
        mine = [path for path in changed if protected_paths.is_protected(path, self.feature_dir)]
        restore(self.git, "HEAD", dict.fromkeys(mine))
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
        self.reset()
        return self.head

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes as they are committed."""
        done = self.git.try_run("cat-file", "blob", f"HEAD:{path}")
        return done.stdout if done.ok else None


@contextmanager
def merge_tree(
    repo: Repo, state: Path, commit: str, feature_dir: str, *, wait: bool = True
) -> Iterator[MergeTree]:
    """Lend a work tree at ``commit``; one merge at a time for each repository on this machine.

    Without ``wait`` raises ``BlockingIOError`` while another one merges.
    """
    with _alone(repo, state, wait=wait) as folder:
        # A git that outlived its killed merge still writes into the folder of that one.
        path = folder / f"tree-{uuid.uuid4().hex[:12]}"
        path.mkdir()
        outside = Git(repo.root, _OPTIONS)
        try:
            options = ("--quiet", "--no-checkout", "--detach")
            outside.run("worktree", "add", *options, str(path), commit)
            git = Git(path, _OPTIONS, {**_identity(repo), **_only_in(path)})
            _refuse_other_tree(git, path)
            _check_out_nothing(git)
            yield MergeTree(git, path, feature_dir)
        finally:
            _remove(repo, path)


def tidy(repo: Repo, state: Path) -> None:
    """Remove what killed merges left."""
    with _alone(repo, state):
        pass


@contextmanager
def _alone(repo: Repo, state: Path, *, wait: bool = True) -> Iterator[Path]:
    """Be the only merge of this repository here, in a folder without leftovers."""
    folder = state.resolve() / "merge" / digest(str(repo.root))[:16]
    with files.lock(folder / "lock", wait=wait):
        listed = repo.git.run("worktree", "list", "--porcelain").splitlines()
        known = (Path(line.removeprefix("worktree ")) for line in listed)
        for left in {*folder.glob("tree-*"), *(path for path in known if path.parent == folder)}:
            _remove(repo, left)
        yield folder


def _only_in(path: Path) -> dict[str, str]:
    """Bind git to this work tree: ``core.worktree`` may name the user's checkout instead.

    git takes it from the common configuration for linked work trees too where
    ``extensions.worktreeConfig`` is set.
    """
    return {"GIT_WORK_TREE": str(path)}


def _refuse_other_tree(git: Git, path: Path) -> None:
    """Raise ``git_failed`` unless git acts on ``path``: what follows resets and cleans there."""
    top = Path(git.run("rev-parse", "--show-toplevel"))
    if top.resolve() != path.resolve():
        raise RunnerError(
            Code.GIT_FAILED,
            f"git would merge in {top} instead of a work tree of the runner's own.",
            "Look at core.worktree and extensions.worktreeConfig: "
            "`git config --show-origin --get-all core.worktree`.",
        )


def _check_out_nothing(git: Git) -> None:
    patterns = Path(git.run("rev-parse", "--absolute-git-dir")) / "info" / "sparse-checkout"
    patterns.parent.mkdir(exist_ok=True)
    patterns.write_text(_CHECK_OUT_NOTHING, encoding="utf-8")
    git.run("read-tree", "-mu", "HEAD")


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
