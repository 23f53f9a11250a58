"""Calling git, and telling its failures apart.

Used by the client and by the worker; each brings its own git directory and settings.
"""

from __future__ import annotations

import os
import re
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from sdlc_runner import process
from sdlc_runner.errors import Code, RunnerError, UnreachableError, UsageError, disk_full
from sdlc_runner.events.codec import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Waiting with a time limit polls, which every call would pay for: only what may hang has one.
_SECONDS = {"ls-remote": 120.0, "fetch": 3600.0, "push": 3600.0, "clone": 3600.0}
# What reads a work tree hangs for as long as somebody puts pipes where it looks for files.
_SECONDS |= dict.fromkeys(("add", "ls-files", "hash-object", "diff-files"), 600.0)
_REMOTE = frozenset({"ls-remote", "fetch", "push", "clone"})
_QUIET = ("-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "advice.detachedHead=false")
_INHERITED = re.compile(
    r"GIT_(?!SSH|ASKPASS|CONFIG_|EXEC_PATH|SSL_|PROXY_|HTTP_|(?:AUTHOR|COMMITTER)_(?:NAME|EMAIL))"
)
_NETWORK = (
    r"could not resolve host|could not read from remote|unable to access|connection (?:refused|"
    r"reset|timed out|closed)|does not appear to be a git repository|authentication failed|"
    r"permission denied(?: \(|, )|repository .* not found|could not read (?:username|password)|"
    r"early eof|the remote end hung up|host key verification failed|unable to connect|"
    r"operation timed out|no route to host|repository not found|terminal prompts disabled"
)
_BEHIND = r"stale info|non-fast-forward|fetch first|already exists|cannot lock ref"
# What the remote adds when another push came between its look at the ref and its lock on it.
_RACE = r"is at \S+ but expected|reference already exists|incorrect old value|\.lock': File exists"
_STRANGER = r"host key verification failed|host key is known for|REMOTE HOST IDENTIFICATION"
_SHUT = r"authentication failed|could not read (?:user|pass)|permission denied \("
_CROWDED = r"cannot (?:fork|create async)|unable to (?:fork|create thread)|thread failed to start"
_DISK = r"no space left on device|disk quota exceeded|file too large"


class PushStatus(Enum):
    """What the remote said of one ref."""

    DONE = "done"
    STALE = "stale"  # the lease did not hold, or not a fast-forward
    REFUSED = "refused"  # a hook, a protection or a setting of the host
    UNREACHABLE = "unreachable"


class PushResult(NamedTuple):
    """The worst status of a push's refs, and the remote's words."""

    status: PushStatus
    message: str = ""

    @property
    def is_shut_out(self) -> bool:
        """Whether the remote was reached, and takes the credentials no more."""
        shut = re.search(_SHUT, self.message, re.IGNORECASE)
        return self.status is PushStatus.UNREACHABLE and shut is not None


class Git(NamedTuple):
    """git in one place: ``cwd``, options before the verb, and an environment."""

    cwd: Path
    options: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None

    def with_env(self, **variables: str) -> Git:
        """Return the same git with further environment variables."""
        return self._replace(env={**(self.env or {}), **variables})

    def try_run(
        self, *args: str, stdin: bytes = b"", stdout: IO[bytes] | None = None
    ) -> process.Completed:
        """Run git and return how it ended; ``stdout`` takes its output instead of memory."""
        return process.run(
            ("git", *_QUIET, *self.options, *args),
            cwd=self.cwd,
            env={**environment(os.environ), **(self.env or {})},
            stdin=stdin,
            stdout=stdout,
            timeout=_SECONDS.get(args[0]),
        )

    def run(self, *args: str, stdin: bytes = b"", stdout: IO[bytes] | None = None) -> str:
        """Run git and return its output; raises the ``RunnerError`` that its failure means."""
        done = self.try_run(*args, stdin=stdin, stdout=stdout)
        if not done.ok:
            raise failure(done)
        return done.text

    def push(self, remote: str, refspecs: Sequence[str], leases: Mapping[str, str]) -> PushResult:
        """Push; ``leases`` maps refs to the commit they must have (empty: must not exist)."""
        args = ["push", "--porcelain", "--no-verify", "--quiet"]
        args += [f"--force-with-lease={ref}:{old}" for ref, old in leases.items()]
        if len(refspecs) > 1:
            args.append("--atomic")
        done = self.try_run(*args, remote, *refspecs)
        return PushResult(PushStatus.DONE) if done.ok else _push_failure(done)


def restore(git: Git, commit: str, paths: Iterable[str]) -> None:
    """Put back into the index what a commit has at the paths."""
    for path in paths:
        git.run("update-index", "--force-remove", "--", path)
        entry = git.run("ls-tree", "-z", commit, "--", path)
        if entry:
            stdin = entry.encode("utf-8", "surrogateescape")
            git.run("update-index", "-z", "--index-info", stdin=stdin)


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for git: English, no prompt, no repository but the one named.

    Without optional locks, looking at a checkout never writes its index.
    """
    kept = {name: value for name, value in env.items() if not _INHERITED.match(name)}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def failure(done: process.Completed) -> RunnerError:
    """Say what a failed git command means."""
    words = last_words(done.error_text)
    if done.code == process.NOT_FOUND and not Path(done.argv[0]).exists() and "git" in words:
        return UsageError(Code.NO_GIT, "git is not installed.", "Install git 2.34 or newer.")
    if done.code == process.TIMED_OUT:
        return _timed_out(_verb(done))
    if re.search(_DISK, done.error_text, re.IGNORECASE):
        return disk_full(words)
    if re.search(_CROWDED, done.error_text, re.IGNORECASE):
        return _crowded(words)
    of_remote = _remote_failure(done.error_text)
    return of_remote or RunnerError(Code.GIT_FAILED, f"git {_verb(done)} failed: {words}")


def _crowded(words: str) -> RunnerError:
    return RunnerError(Code.PIDS_EXHAUSTED, f"There are too many processes: {words}")


def _remote_failure(text: str) -> RunnerError | None:
    """Say why the remote was not reached, or which side refused the other, if it was that."""
    if re.search(_STRANGER, text, re.IGNORECASE):
        return UnreachableError(
            Code.HOST_KEY_REFUSED,
            "The git host's key is not the one in known_hosts.",
            "Compare `ssh-keyscan HOST` with what the host publishes, then put it into known_hosts"
            " (for pods: of the git Secret).",
        )
    if re.search(_SHUT, text, re.IGNORECASE):
        return UnreachableError(
            Code.REMOTE_FORBIDDEN,
            f"The git remote does not let us in: {last_words(text)}",
            "`git ls-remote` must work without asking for anything (for pods: by the git Secret).",
        )
    if re.search(_NETWORK, text, re.IGNORECASE):
        return UnreachableError(
            Code.REMOTE_UNREACHABLE,
            f"The git remote cannot be reached: {last_words(text)}",
            "`git ls-remote` must work here without asking for anything.",
        )
    return None


def _timed_out(verb: str) -> RunnerError:
    text = f"`git {verb}` timed out after {_SECONDS.get(verb, 0):g} s."
    if verb not in _REMOTE:
        return RunnerError(Code.GIT_FAILED, text)
    return UnreachableError(Code.REMOTE_UNREACHABLE, text, "Check the network, then try again.")


def _verb(done: process.Completed) -> str:
    words = [word for word in done.argv[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else "git"


def last_words(text: str) -> str:
    """Return the line of git's complaint that says most, safe to print, without credentials."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "!"))]
    line = (telling or lines or ["it said nothing"])[0]
    return clean(re.sub(r"://[^/@\s]*@", "://", line), 300)


def _push_failure(done: process.Completed) -> PushResult:
    rejected = [line for line in done.text.splitlines() if line.startswith("!")]
    words = last_words("\n".join([*rejected, done.error_text]))
    if rejected and (re.search(_BEHIND, " ".join(rejected)) or re.search(_RACE, done.error_text)):
        return PushResult(PushStatus.STALE, words)
    if rejected:
        remote_said = [
            line for line in done.error_text.splitlines() if line.startswith(("remote:", "error:"))
        ]
        return PushResult(PushStatus.REFUSED, last_words("\n".join([*remote_said, words])))
    if re.search(_DISK, done.error_text, re.IGNORECASE):
        raise disk_full(words)
    if re.search(_CROWDED, done.error_text, re.IGNORECASE):
        raise _crowded(words)
    return PushResult(PushStatus.UNREACHABLE, last_words(done.error_text))
