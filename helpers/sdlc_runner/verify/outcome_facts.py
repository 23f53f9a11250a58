"""The facts of one task of an attempt, out of what the remote shows and what its backend says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdlc_runner.errors import Code
from sdlc_runner.events.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.attempt.exit_state import BackendStatus
    from sdlc_runner.verify.evidence import Evidence


class OutcomeFacts:
    """The facts of one task that the rows ask for."""

    def __init__(self, task: str, evidence: Evidence, ending: BackendStatus) -> None:
        """Derive the facts; the transcript's result counts before the log's."""
        self.task = task
        self.evidence = evidence
        self.ending = ending
        self.result: Mapping[str, Any] = evidence.result or ending.claim
        self.record = _record(self.result, task)

    @property
    def pushed(self) -> bool:
        """The remote has the attempt's branch."""
        return self.evidence.branch_head is not None

    @property
    def rewritten(self) -> bool:
        """The branch does not descend from the base."""
        return self.pushed and not self.evidence.descends

    @property
    def foreign(self) -> bool:
        """Some commit of the branch does not name this attempt, or there is none of its own."""
        start = self.evidence.start
        if not self.pushed or start is None:
            return False
        commits = self.evidence.commits
        return not commits or not all(
            commit.trailers.get("Feature") == start.key.feature
            and commit.trailers.get("Attempt") == str(start.key.number)
            and commit.trailers.get("Task") in start.tasks
            for commit in commits
        )

    @property
    def moved(self) -> bool:
        """The branch's head is another commit than the one that was reported."""
        reported = None if self.refused else self.result.get("head")
        return self.pushed and reported is not None and reported != self.evidence.branch_head

    @property
    def refused(self) -> bool:
        """Another start of it was faster; this one did nothing, and knows nothing of the branch."""
        return self.record.get("code") == Code.ALREADY_STARTED.value

    @property
    def delivered(self) -> bool:
        """A commit of this task says that the agent finished it."""
        return any(
            commit.trailers.get("Task") == self.task
            and commit.trailers.get("Agent-Status") == Outcome.SUCCEEDED.value
            for commit in self.evidence.commits
        )

    @property
    def status(self) -> Outcome | None:
        """What the attempt claims of this task."""
        try:
            return Outcome(self.record.get("status"))
        except ValueError:
            return None

    @property
    def explained(self) -> bool:
        """What ended it from outside says more than the attempt itself could."""
        cause = self.ending.cause
        if cause is None or self.ending.alive:
            return False
        code = self.record.get("code")
        return self.status in {None, Outcome.INTERRUPTED} or code in cause.also

    @property
    def evident(self) -> bool:
        """The remote's transcript holds the result, from this base, with what the agent showed."""
        start, result = self.evidence.start, self.evidence.result
        items = result.get("evidence")
        shown = isinstance(items, list) and any(
            isinstance(item, dict) and item.get("task") == self.task for item in items
        )
        return bool(start and result.get("base") == start.base and shown)


def _record(result: Mapping[str, Any], task: str) -> Mapping[str, Any]:
    """Return what a result says of one task; of the whole, where it lists none."""
    records = result.get("tasks")
    if isinstance(records, list):
        found = [item for item in records if isinstance(item, dict) and item.get("task") == task]
        if found:
            return found[0]
        if records:
            return {}
    return result
