"""Checkpoints: unfinished work goes to a ref on the remote, on an interval and at every bad end."""

from __future__ import annotations

import contextlib
import errno
import threading
from typing import TYPE_CHECKING

from sdlc_runner.errors import RunnerError
from sdlc_runner.events.types import CheckpointEvent, WarningEvent
from sdlc_runner.git.command import PushStatus
from sdlc_runner.worker.git.workspace import message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdlc_runner.worker.git.push import Pusher
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
