"""The user's repository, as the client sees it: root, branch, remote, what is pushed.

Reads only; what changes the feature branch is in ``merge`` and ``publish``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.errors import Code, RunnerError, UsageError
from sdlc_runner.git.command import Git, failure
from sdlc_runner.git.remote_url import RemoteUrl

if TYPE_CHECKING:
    from collections.abc import Iterable

_FETCH_TRIES = 10  # git itself waits a tenth of a second for each lock
# Another fetch, ours or the user's; a merge of ours whose work tree comes or goes.
_BUSY = re.compile(r"cannot lock ref|\.lock': File exists|bad object worktrees/")


class Repo(NamedTuple):
    """A checkout and the remote that holds its feature branch."""

    root: Path
    remote: str

    @property
    def git(self) -> Git:
        """Git in the checkout."""
        return Git(self.root)

    @property
    def url(self) -> str:
        """Where the remote takes pushes; raises ``no_remote``."""
        done = self.git.try_run("remote", "get-url", "--push", self.remote)
        if not done.ok:
            raise UsageError(
                Code.NO_REMOTE,
                f"This repository has no remote named {self.remote}.",
                f"`git remote add {self.remote} URL`; without a remote nothing can be verified.",
            )
        return self._absolute(done.text)

    def _absolute(self, url: str) -> str:
        """Make a relative path absolute: attempts run in other folders."""
        if RemoteUrl.parse(url).scheme:
            return url
        return str((self.root / url).resolve())

    @property
    def head(self) -> str | None:
        """The checked-out branch, with commits or without; None: HEAD is detached."""
        done = self.git.try_run("symbolic-ref", "--quiet", "--short", "HEAD")
        return done.text if done.ok else None

    @property
    def branch(self) -> str:
        """The checked-out branch; raises ``detached_head`` or ``no_commits``."""
        head = self.head
        if head is None:
            raise UsageError(
                Code.DETACHED_HEAD,
                "HEAD is detached: there is no feature branch to work for.",
                "`git switch BRANCH`, or `git switch -c 001-my-feature` to make one here.",
            )
        if not self.git.try_run("rev-parse", "--verify", "--quiet", "HEAD").ok:
            raise UsageError(
                Code.NO_COMMITS, "This repository has no commits.", "Commit the feature's files."
            )
        return head

    def tracking(self, branch: str) -> str:
        """Return the remote-tracking ref of a branch, whether it exists or not."""
        return f"refs/remotes/{self.remote}/{branch}"

    def resolve(self, name: str) -> str | None:
        """Return the commit of a name that exists here, or None."""
        done = self.git.try_run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return done.text if done.ok else None

    def read(self, commit: str, path: str, most: int | None = None) -> bytes | None:
        """Return a file's bytes as of a commit; None if it is absent, or larger than ``most``."""
        if most is not None:
            size = self.git.try_run("cat-file", "-s", f"{commit}:{path}").text
            if not size.isdigit() or int(size) > most:
                return None
        done = self.git.try_run("cat-file", "blob", f"{commit}:{path}")
        return done.stdout if done.ok else None

    def dirty_files(self) -> tuple[str, ...]:
        """Return the paths that differ from HEAD, untracked ones included."""
        return tuple(_status_paths(self.git.run("status", "--porcelain=v1", "-z", "-uall")))

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether ``new`` descends from ``old`` (or is it); False where either is unknown."""
        return self.git.try_run("merge-base", "--is-ancestor", old, new).ok

    def fetch(self, *refspecs: str) -> None:
        """Fetch by refspec, touching no other ref; raises ``remote_unreachable``."""
        options = ("--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--quiet")
        for _ in range(_FETCH_TRIES):
            done = self.git.try_run("fetch", *options, "--refmap=", self.remote, *refspecs)
            if done.ok:
                return
            if not _BUSY.search(done.error_text):
                break
        raise failure(done)

    def fetch_feature(self, branch: str) -> str | None:
        """Bring the remote-tracking branch up to date; None if the remote has no such branch."""
        try:
            self.fetch(f"+refs/heads/{branch}:{self.tracking(branch)}")
        except RunnerError as error:
            if "find remote ref" in error.message:
                return None
            raise
        return self.resolve(self.tracking(branch))


def _status_paths(text: str) -> Iterable[str]:
    entries = iter(text.split("\0"))
    for entry in entries:
        if not entry:
            continue
        yield entry[3:]
        if entry[0] in "RC":
            next(entries, None)  # the path it came from


def open_repo(start: Path, remote: str) -> tuple[Repo, str | None]:
    """Find the repository around a folder, and its branch if that has commits.

    Raises ``no_repository`` or ``no_git``.
    """
    if not start.is_dir():
        raise UsageError(
            Code.NO_REPOSITORY, f"{start} is no folder.", "Name one that is in your repository."
        )
    # One call for both: each start of git takes a tenth of a plan's time.
    done = Git(start).try_run("rev-parse", "--show-toplevel", "--symbolic-full-name", "HEAD")
    root, _, head = done.text.rpartition("\n")
    if root:
        branch = head.removeprefix("refs/heads/") if done.ok and head != "HEAD" else None
        return Repo(Path(root), remote), branch
    if "not a git repository" in done.error_text or done.ok:
        raise UsageError(
            Code.NO_REPOSITORY,
            f"{start} is not in a git work tree.",
            "Change into your spec-kit repository, or make one: `git init`.",
        )
    raise failure(done)
