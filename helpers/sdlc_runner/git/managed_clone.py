"""A checkout for those who have none: of one branch, below the state directory, ours alone."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner import files
from sdlc_runner.digest import digest
from sdlc_runner.errors import Code, RunnerError, UsageError
from sdlc_runner.git.command import Git
from sdlc_runner.git.remote_url import is_address, normalize_remote, without_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WORDS = 3


class Wanted(NamedTuple):
    """A branch of a repository."""

    repository: str
    branch: str


def named_by(words: Sequence[str]) -> tuple[str, Wanted] | None:
    """Read ``TASK BRANCH REPOSITORY``; None where the words are only task ids."""
    if len(words) != _WORDS or not is_address(words[2]):
        return None
    task, branch, repository = words
    if branch.startswith("-") or without_credentials(repository) != repository:
        raise UsageError(
            Code.BAD_ARGUMENT,
            "A repository's URL may hold no user or password, and a branch may not begin with “-”.",
            "Let git ask a credential helper: `git config --global credential.helper …`.",
        )
    return task, Wanted(repository, branch)


def prepare(state: Path, wanted: Wanted) -> Path:
    """Return a checkout of the branch as the remote has it now."""
    name = digest(normalize_remote(wanted.repository), wanted.branch)[:16]
    folder = state / "checkouts" / name
    with files.lock(folder.parent / f"{name}.lock"):
        _update(folder, wanted)
    return folder


def _update(folder: Path, wanted: Wanted) -> None:
    """Bring the checkout up to date; one that was not finished is made again."""
    git = Git(folder, (f"--git-dir={folder}/.git", f"--work-tree={folder}"))
    if not git.try_run("rev-parse", "--verify", "--quiet", "HEAD").ok:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        git.run("init", "--quiet")
        git.run("remote", "add", "origin", wanted.repository)
    ref = f"refs/remotes/origin/{wanted.branch}"
    try:
        git.run("fetch", "--quiet", "origin", f"+refs/heads/{wanted.branch}:{ref}")
    except RunnerError as error:
        if "find remote ref" not in error.message:
            raise
        raise UsageError(
            Code.FEATURE_NOT_PUSHED,
            f"{wanted.repository} has no branch {wanted.branch}.",
            "Push the branch with the feature's spec-kit files.",
        ) from error
    git.run("checkout", "--quiet", "--force", "-B", wanted.branch, ref)
