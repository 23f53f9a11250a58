"""The git side's hold on the work tree: cloning it, staging it, committing it.

The git directory lies outside of the work tree, which the agent may change at will. Nothing in
the work tree configures this git: no hooks, no config, no filter drivers of its own.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, RunnerError
from sdlc_runner.git import protected_paths
from sdlc_runner.git.command import Git, restore
from sdlc_runner.worker.git import index as git_index
from sdlc_runner.worker.git import secret_scan
from sdlc_runner.worker.git.credentials import NONE
from sdlc_runner.worker.git.index import Staging, entries, lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.worker.git.credentials import Credentials
    from sdlc_runner.worker.masking import Masker

REMOTE = "origin"
_SHA256_DIGITS = 64
# What OpenCode itself writes beside a project's .opencode files.
_EXCLUDE = "".join(
    f".opencode/{name}\n"
    for name in (".gitignore", "node_modules/", "package.json", "package-lock.json", "bun.lock")
)


@dataclass(frozen=True)
class Staged:
    """A tree made of the work tree, and what was left out of it."""

    tree: str
    protected: tuple[str, ...]
    secrets: tuple[str, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True)
class Workspace:
    """A git directory of our own, and the work tree that the agent works in."""

    git_dir: Path
    work: Path
    spec: AttemptSpec
    credentials: Credentials = NONE

    @property
    def remote_git(self) -> Git:
        """Git for what reaches the remote: only there it is given credentials."""
        return self._with_credentials(self.git)

    def _with_credentials(self, git: Git) -> Git:
        given = self.credentials.access()
        options, env = (*git.options, *given.options), {**(git.env or {}), **given.env}
        return git._replace(options=options, env=env)

    @property
    def git(self) -> Git:
        """Git with our directory, the shared work tree, and nothing of the work tree in force."""
        options = (
            f"--git-dir={self.git_dir}",
            f"--work-tree={self.work}",
            *("-c", "core.hooksPath=/dev/null"),
            *("-c", "core.fsmonitor=false"),
            *("-c", "core.symlinks=true"),
            *("-c", "core.protectHFS=true"),  # no name that is .git on somebody else's machine
            *("-c", "core.protectNTFS=true"),
            *("-c", "core.safecrlf=false"),  # a warning is no reason to lose work
            *("-c", "core.bigFileThreshold=16m"),  # what is larger goes through no memory
        )
        return Git(self.git_dir.parent, options, self._author())

    def _author(self) -> Mapping[str, str]:
        name, email = self.spec.author_name, self.spec.author_email
        return {
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": email,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": email,
        }

    def clone(self) -> None:
        """Fetch the base and give the agent a clone of its own, without a remote."""
        sha256 = len(self.spec.base) == _SHA256_DIGITS
        options = ("--bare", "--template=", f"--object-format={'sha256' if sha256 else 'sha1'}")
        Git(self.git_dir.parent).run("init", "--quiet", *options, str(self.git_dir))
        # Fetched and cloned as a bare repository; the work tree is named on every later call.
        bare = Git(self.git_dir.parent, (f"--git-dir={self.git_dir}",))
        self._name_remote()
        self._fetch(self._with_credentials(bare))
        (self.git_dir / "info").mkdir(exist_ok=True)
        (self.git_dir / "info" / "exclude").write_text(_EXCLUDE)
        name = self.spec.branch
        bare.run("update-ref", f"refs/heads/{name}", self.start_commit)
        bare.run("symbolic-ref", "HEAD", f"refs/heads/{name}")
        self._clone_for_agent()
        # With what git knows of the files it has just written, so that none is read again.
        shutil.copyfile(self.work / ".git" / "index", self.git_dir / "index")
        contrary = entries(self.git.run("diff-files", "--name-only", "-z"))
        self._untouched.write_text(json.dumps(self._contents(contrary)))

    @property
    def _untouched(self) -> Path:
        """Files that git calls changed before anybody touched them, and what was in them.

        Their line ends contradict .gitattributes; only a change to such a file is committed.
        """
        return self.git_dir / "untouched.json"

    def _contents(self, names: Iterable[str]) -> dict[str, str]:
        """Return the id of each file's very bytes."""
        there = [name for name in names if "\n" not in name and (self.work / name).is_file()]
        if not there:
            return {}
        paths = "\n".join(f"{self.work}/{name}" for name in there)
        ids = self.git.run("hash-object", "--no-filters", "--stdin-paths", stdin=lines([paths]))
        return dict(zip(there, ids.split(), strict=True))

    def _name_remote(self) -> None:
        """Write the remote's address into a file: it may hold a password; argv is public."""
        address = self.spec.remote.replace("\\", "\\\\").replace('"', '\\"')
        with (self.git_dir / "config").open(
            "a", encoding="utf-8", errors="surrogateescape"
        ) as file:
            file.write(f'[remote "{REMOTE}"]\n\turl = "{address}"\n')

    def _clone_for_agent(self) -> None:
        """Make the agent's clone, whatever the user's settings say of other clones."""
        options = ("--quiet", "--template=", "--no-tags", "--origin=origin", "--no-reject-shallow")
        settings = ("protocol.file.allow=always", "core.splitIndex=false", "core.fsmonitor=false")
        flags = tuple(word for setting in settings for word in ("-c", setting))
        git = Git(self.git_dir.parent, flags)
        git.run("clone", *options, self.git_dir.as_uri(), str(self.work))
        Git(self.work).run("remote", "remove", "origin")

    @property
    def start_commit(self) -> str:
        """What the agent begins from: the base, or unfinished work on top of it."""
        return self.spec.from_checkpoint or self.spec.base

    def _fetch(self, bare: Git) -> None:
        """Fetch what to begin from; by the branch where a host refuses a commit's id."""
        depth = (f"--depth={self.spec.clone_depth}",) if self.spec.clone_depth else ()
        wanted = [self.spec.base]
        if self.spec.from_checkpoint:
            wanted.append(self.spec.from_checkpoint)
        options = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head")
        done = bare.try_run(*options, *depth, REMOTE, *wanted)
        if not done.ok:
            branch = f"refs/heads/{self.spec.feature_branch}"
            bare.run(*options, REMOTE, branch)
        if not bare.try_run("cat-file", "-e", self.start_commit).ok:
            raise RunnerError(
                Code.FEATURE_MOVED,
                f"Commit {self.start_commit[:12]} is not on the remote any more.",
                "Spawn it again: the new attempt begins from the branch as it is now.",
            )

    def stage(self, masker: Masker, parent: str, index: str = "index") -> Staged:
        """Make a tree of the work tree: protected files as in ``parent``, secrets looked for."""
        if self.work.is_symlink() or not self.work.is_dir():
            raise RunnerError(
                Code.GIT_FAILED, "The work tree was replaced; nothing is read from it."
            )
        git_index.remove_pipes(self.work)
        git = self.git.with_env(GIT_INDEX_FILE=str(self.git_dir / index))
        if index != "index":
            shutil.copyfile(self.git_dir / "index", self.git_dir / index)
        left_out = Staging(git, self.git_dir, self.work).record()
        before = json.loads(self._untouched.read_text())
        now = self._contents(before)
        restore(git, parent, [name for name in now if now[name] == before[name]])
        restored = self._restore_protected(git, parent)
        secrets = self._secrets(git, masker, parent)
        return Staged(git.run("write-tree"), restored, secrets, left_out)

    def _restore_protected(self, git: Git, parent: str) -> tuple[str, ...]:
        changed = git.run("diff-index", "--cached", "--name-only", "-z", parent).split("\0")
        left_out = [
            path for path in changed if protected_paths.is_protected(path, self.spec.feature_dir)
        ]
        restore(git, parent, left_out)
        return tuple(left_out)

    def _secrets(self, git: Git, masker: Masker, parent: str) -> tuple[str, ...]:
        """Return the changed paths whose content or name holds a known secret."""
        if not masker.has_secrets:
            return ()
        options = ("--cached", "--raw", "-z", "--diff-filter=d", "--no-renames")
        changed = _pairs(git.run("diff-index", *options, parent))
        ids = [entry.split(" ")[3] for entry, _ in changed]
        found = secret_scan.hold_secrets(git, ids, masker, self.git_dir)
        return tuple(
            path
            for (_, path), holds in zip(changed, found, strict=True)
            if holds or masker.contains(path.encode("utf-8", "surrogateescape"))
        )

    def tree_of(self, commit: str) -> str:
        """Return a commit's tree."""
        return self.git.run("rev-parse", f"{commit}^{{tree}}")

    def commit(self, tree: str, parents: tuple[str, ...], message: str) -> str:
        """Make a commit; nothing points to it yet."""
        flags = [word for parent in parents for word in ("-p", parent)]
        return self.git.run("commit-tree", tree, *flags, stdin=message.encode("utf-8", "replace"))


def _pairs(raw: str) -> list[tuple[str, str]]:
    """Split what ``diff-index --raw -z`` prints: modes and ids, and the path."""
    fields = raw.split("\0")
    return list(zip(fields[::2], fields[1::2], strict=False))


def message(subject: str, trailers: Mapping[str, object]) -> str:
    """Write a commit message with its trailers."""
    lines = "\n".join(f"{name}: {value}" for name, value in trailers.items())
    return f"{subject}\n\n{lines}\n"
