"""What an attempt pushes: its lock, its work, its checkpoints and its transcript."""

from __future__ import annotations

import contextlib
import errno
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner.attempt import naming
from sdlc_runner.errors import Code, RunnerError, UnreachableError
from sdlc_runner.events.codec import AttemptKey, clean
from sdlc_runner.events.types import CheckpointEvent, WarningEvent
from sdlc_runner.git.command import PushResult, PushStatus
from sdlc_runner.worker.git.workspace import REMOTE, message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.worker.git.workspace import Workspace
    from sdlc_runner.worker.journal import Journal
    from sdlc_runner.worker.masking import Masker


class Checkpoints:
    """Saves what the work tree holds beyond ``head``, the last commit of the attempt."""

    def __init__(
        self, workspace: Workspace, delivery: Pusher, journal: Journal, masker: Masker
    ) -> None:
        """Remember the parts; nothing happens until ``save`` or ``while_working``."""
        self._workspace = workspace
        self._delivery = delivery
        self._journal = journal
        self._masker = masker
        self._last_tree = ""

    def save(self, head: str, reason: str) -> bool:
        """Push the unfinished work if there is any that the last checkpoint lacks.

        Returns whether the remote holds all of it now.
        """
        try:
            staged = self._workspace.stage(self._masker, head, "checkpoint-index")
            # Committed work is on its branch, or goes along here as the checkpoint's parent.
            if staged.tree == self._last_tree or staged.tree == self._start_tree(head):
                return True
            if staged.secrets:
                self._warn("secret_in_diff", f"Not saved: a secret is in {staged.secrets[0]}.")
                return False
            return self._push(staged.tree, head, reason)
        except RunnerError as error:
            self._warn(error.code.value, f"No checkpoint: {error.message}")
            return False

    def _start_tree(self, head: str) -> str:
        """Return the tree that holds nothing worth saving: the base's, until there is a commit."""
        spec = self._workspace.spec
        return self._workspace.tree_of(spec.base) if head == spec.base else ""

    def _push(self, tree: str, head: str, reason: str) -> bool:
        key = self._workspace.spec.key
        trailers = {
            "Feature": key.feature,
            "Task": key.task,
            "Attempt": key.number,
            "Agent-Status": "unfinished",
        }
        commit = self._workspace.commit(tree, (head,), message(f"Checkpoint of {key}", trailers))
        result = self._delivery.push_checkpoint(commit, patient=reason != "interval")
        if result.status is not PushStatus.DONE:
            self._warn("checkpoint_failed", f"No checkpoint: {result.message}")
            return False
        self._last_tree = tree
        ref = self._delivery.refs.checkpoint
        self._journal.emit(CheckpointEvent(ref=ref, commit=commit, reason=reason))
        return True

    def _save_transcript(self) -> None:
        """Push the events so far: what a log loses, and what a killed attempt leaves behind."""
        try:
            self._delivery.push_transcript(self._journal.path, "", patient=False)
        except RunnerError as error:
            self._warn("transcript_failed", f"The transcript was not pushed: {error.message}")

    def _warn(self, code: str, text: str) -> None:
        self._journal.emit(WarningEvent(code=code, message=text))

    @contextlib.contextmanager
    def while_working(self, head: str) -> Iterator[None]:
        """Save every ``checkpoint_seconds`` in the background, until the block ends."""
        done = threading.Event()

        def repeat() -> None:
            while not done.wait(self._workspace.spec.checkpoint.seconds):
                with contextlib.suppress(OSError):  # a full disk; the agent's own result reports it
                    self.save(head, "interval")
                    self._save_transcript()

        thread = threading.Thread(target=repeat, name="checkpoints", daemon=True)
        _start(thread)
        try:
            yield
        finally:
            done.set()
            thread.join()


def _start(thread: threading.Thread) -> None:
    """Start a thread; raises ``BlockingIOError`` where Python says no more than that it cannot."""
    try:
        thread.start()
    except RuntimeError as error:
        raise BlockingIOError(errno.EAGAIN, str(error)) from error


_RETRY_SECONDS = (1, 2, 4, 8, 16)


@dataclass
class Pusher:
    """Pushes for one attempt; ``root`` is where this host takes the attempt's refs."""

    workspace: Workspace
    spec: AttemptSpec
    where: str
    root: str = field(default=naming.META_REFS)
    _away: bool = False

    @property
    def refs(self) -> naming.AttemptRefs:
        """The attempt's refs on this host."""
        return naming.AttemptRefs.of(self.spec.key, self.root)

    def take_lock(self) -> None:
        """Push ``start`` for every task of the attempt, all or none; raises ``already_started``.

        Who holds it is asked of the remote: a push can fail though it arrived, and how a host
        words that another push was faster is no reason to try where no one looks.
        """
        commit = self._start_commit()
        for self.root in (naming.META_REFS, naming.META_BRANCHES):
            result = self._push_start(commit)
            if result.status is PushStatus.DONE or self._holders() == {commit}:
                return
            if result.status is PushStatus.UNREACHABLE:
                raise UnreachableError(Code.REMOTE_UNREACHABLE, f"No push: {result.message}")
            if self._holders():
                raise RunnerError(
                    Code.ALREADY_STARTED,
                    f"Attempt {self.spec.key} has been started elsewhere.",
                    f"`sdlc-runner verify {self.spec.key.task}` shows how it ended.",
                )
        raise RunnerError(
            Code.PUSH_REJECTED,
            f"The remote refuses the attempt's refs: {result.message}",
            f"Allow pushes to {naming.META_REFS}/* or {naming.META_BRANCHES}/*.",
        )

    def _starts(self, root: str) -> list[str]:
        key = self.spec.key
        return [
            naming.AttemptRefs.of(AttemptKey(key.feature, task, key.number), root).start
            for task in self.spec.task_ids
        ]

    def _holders(self) -> set[str]:
        """Return the commits that hold the lock on any task, wherever this host has it."""
        refs = [*self._starts(naming.META_REFS), *self._starts(naming.META_BRANCHES)]
        done = self.workspace.remote_git.try_run("ls-remote", REMOTE, *refs)
        return {line.partition("\t")[0] for line in done.text.splitlines()} if done.ok else set()

    def _start_commit(self) -> str:
        spec = self.spec
        trailers = {
            "Feature": spec.key.feature,
            "Task": spec.key.task,
            "Attempt": spec.key.number,
            "Tasks": " ".join(spec.task_ids),
            "Base": spec.base,
            "Branch": spec.branch,
            "Backend": spec.backend,
            "Where": self.where,
            "Identity": spec.identity,
            # Without it two starts of one attempt would push the same commit, and both succeed.
            "Nonce": uuid.uuid4().hex,
        }
        empty = self.workspace.git.run("hash-object", "-t", "tree", "-w", "--stdin")
        return self.workspace.commit(empty, (), message(f"Start {spec.key}", trailers))

    def _push_start(self, commit: str) -> PushResult:
        refs = self._starts(self.root)
        return self._push([f"{commit}:{ref}" for ref in refs], dict.fromkeys(refs, ""))

    def _push(
        self, refspecs: list[str], leases: dict[str, str], *, patient: bool = True
    ) -> PushResult:
        """Push, and if ``patient`` try again while the remote cannot be reached."""
        result = self.workspace.remote_git.push(REMOTE, refspecs, leases)
        for seconds in _RETRY_SECONDS if patient else ():
            if result.status is not PushStatus.UNREACHABLE:
                break
            time.sleep(seconds)
            result = self.workspace.remote_git.push(REMOTE, refspecs, leases)
        self._away = result.status is PushStatus.UNREACHABLE
        return result

    def push_branch(self, head: str) -> PushResult:
        """Push the work; a push whose answer was lost counts when the remote has this very head."""
        ref = f"refs/heads/{self.spec.branch}"
        result = self._push([f"{head}:{ref}"], {ref: self.spec.lease})
        if result.status is not PushStatus.DONE and self._remote_head(ref) == head:
            return PushResult(PushStatus.DONE)
        return result

    def _remote_head(self, ref: str) -> str | None:
        done = self.workspace.remote_git.try_run("ls-remote", REMOTE, ref)
        return done.text.partition("\t")[0] or None if done.ok else None

    def push_checkpoint(self, commit: str, *, patient: bool) -> PushResult:
        """Push unfinished work over the checkpoint before it."""
        patient = patient and not self._away  # it was waited for just before
        return self._push([f"+{commit}:{self.refs.checkpoint}"], {}, patient=patient)

    def push_transcript(self, journal: Path, result: str, *, patient: bool = True) -> PushResult:
        """Push every event so far, and the result if there is one."""
        git = self.workspace.git
        files = {"events.jsonl": journal.read_bytes()}
        if result:
            files["result.json"] = result.encode("utf-8", "replace")
        entries = []
        for name, data in files.items():
            blob = git.run("hash-object", "-w", "--stdin", "--no-filters", stdin=data)
            entries.append(f"100644 blob {blob}\t{name}\n")
        tree = git.run("mktree", stdin="".join(entries).encode())
        subject = clean(f"Transcript of {self.spec.key}", 200)
        commit = self.workspace.commit(tree, (), message(subject, {"Task": self.spec.key.task}))
        refspecs = [f"+{commit}:{self.refs.transcript}"]
        return self._push(refspecs, {}, patient=patient and not self._away)
