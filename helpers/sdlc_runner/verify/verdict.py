"""How an attempt ended: the facts of a task, and one table whose first row that fits decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlc_runner.errors import Code
from sdlc_runner.events.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sdlc_runner.attempt.spec import BackendStatus, TerminationCause
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


@dataclass(frozen=True)
class Verdict:
    """The verified outcome of one task of an attempt."""

    task: str
    outcome: Outcome
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Row:
    """One row: when it fits, the outcome, its code, and what to say and do."""

    code: str
    outcome: Outcome
    fits: Callable[[OutcomeFacts], bool]
    message: str
    hint: str = ""


_STOPPED = (None, Outcome.INTERRUPTED, Outcome.CANCELLED)
_LOOK = "`sdlc-runner logs {task}` shows what happened; `sdlc-runner retry {task}` tries again."
_RESUME = "`sdlc-runner retry {task} --from-checkpoint` goes on; without the flag it starts again."

TABLE: tuple[Row, ...] = (
    Row(
        "history_rewritten",
        Outcome.UNVERIFIED,
        lambda case: case.rewritten,
        "The branch on the remote does not descend from the commit the attempt began from.",
        _LOOK,
    ),
    Row(
        "head_mismatch",
        Outcome.UNVERIFIED,
        lambda case: case.moved,
        "The branch on the remote is at another commit than the attempt reported.",
        "Compare the branch with the transcript: `sdlc-runner logs {task}`.",
    ),
    Row(
        "foreign_commits",
        Outcome.UNVERIFIED,
        lambda case: case.foreign,
        "The branch on the remote holds commits that do not name this attempt.",
        _LOOK,
    ),
    Row(
        "verified",
        Outcome.SUCCEEDED,
        lambda case: case.delivered and bool(case.result),
        "The remote shows the work.",
    ),
    Row(
        "verified_without_result",
        Outcome.SUCCEEDED,
        lambda case: case.delivered,
        "The remote shows the work, though the attempt ended before it could report.",
    ),
    Row(
        "no_change",
        Outcome.NO_CHANGE,
        lambda case: case.status is Outcome.NO_CHANGE and case.evident,
        "The agent finished and there was nothing to change; the transcript holds its evidence.",
    ),
    Row(
        "no_evidence",
        Outcome.UNVERIFIED,
        lambda case: case.status is Outcome.NO_CHANGE,
        "It says that there was nothing to change, but the remote holds no evidence of it.",
        _LOOK,
    ),
    Row(
        "nothing_pushed",
        Outcome.UNVERIFIED,
        lambda case: case.status is Outcome.SUCCEEDED,
        "It says that it succeeded, but the remote shows no such work.",
        _LOOK,
    ),
    Row(
        "cancelled",
        Outcome.CANCELLED,
        lambda case: case.ending.cancelled and case.status in _STOPPED and not case.ending.alive,
        "Cancelled by the user.",
        _RESUME,
    ),
    Row(
        "already_started",
        Outcome.REJECTED,
        lambda case: case.refused,
        "It was started elsewhere at the same time; nothing was done here.",
        "`sdlc-runner verify {task}` shows how it ended.",
    ),
    Row(
        "caused",
        Outcome.INTERRUPTED,  # replaced by the cause
        lambda case: case.explained,
        "",
        _RESUME,
    ),
    Row(
        "claimed",
        Outcome.FAILED,  # replaced by the claim
        lambda case: case.status is not None,
        "",
        _LOOK,
    ),
    Row(
        "still_running",
        Outcome.UNVERIFIED,
        lambda case: case.ending.alive,
        "It is still running.",
        "`sdlc-runner follow {task}` shows it.",
    ),
    Row(
        "nothing_pushed",
        Outcome.UNVERIFIED,
        lambda case: case.ending.exit_code == 0,
        "Its exit code is 0, but the remote shows nothing of it.",
        _LOOK,
    ),
    Row(
        "ended_before_start",
        Outcome.INTERRUPTED,
        lambda case: case.evidence.start is None,
        "It ended before the agent began; nothing is lost.",
        "`sdlc-runner spawn {task}` starts it again.",
    ),
    Row(
        "killed",
        Outcome.INTERRUPTED,
        lambda case: case.ending.known,
        "It was killed before it could report.",
        _RESUME,
    ),
    Row(
        "no_result",
        Outcome.UNVERIFIED,
        lambda case: case.ending.elsewhere,
        "It began on another machine, and the remote has no result of it yet.",
        "Run this on that machine, or later; if it is gone: `sdlc-runner retry {task} --force`.",
    ),
    Row(
        "no_trace",
        Outcome.LOST,
        lambda _: True,
        "It began, and neither the remote nor this machine knows how it ended.",
        "`sdlc-runner retry {task}` tries again.",
    ),
)
"""Order matters: what the remote shows comes before what anyone reports."""


def decide(task: str, evidence: Evidence, ending: BackendStatus) -> Verdict:
    """Decide how one task of an attempt ended."""
    case = OutcomeFacts(task, evidence, ending)
    row = next(row for row in TABLE if row.fits(case))
    if row.code == "claimed":
        return _claimed(case, row)
    if row.code == "caused" and ending.cause is not None:
        return _caused(case, ending.cause)
    hint = row.hint if row.hint is not _RESUME or evidence.checkpoint else _LOOK
    return Verdict(task, row.outcome, row.code, row.message, hint.format(task=task))


def _caused(case: OutcomeFacts, cause: TerminationCause) -> Verdict:
    """Take over what the backend says ended it; before the agent began, nothing is lost."""
    if case.evidence.start is None:
        begin, resume = (
            "The agent had not begun, so nothing is lost.",
            "spawn {task}` starts it again",
        )
    else:
        begin, resume = "", "retry {task}` tries again"
        if case.evidence.checkpoint:
            resume = "retry {task} --from-checkpoint` goes on"
    hint = f"{cause.hint} `sdlc-runner {resume.format(task=case.task)}.".strip()
    return Verdict(case.task, cause.outcome, cause.code, f"{cause.message} {begin}".strip(), hint)


def _claimed(case: OutcomeFacts, row: Row) -> Verdict:
    """Take over a claim of failure, in its own words."""
    status = case.status or Outcome.FAILED
    source = case.record if "message" in case.record else case.result
    code = case.record.get("code") or case.result.get("code") or status.value
    text = source.get("message") or f"The attempt ended as {status.value}."
    resume = _RESUME if case.evidence.checkpoint else row.hint
    hint = resume.replace("{task}", case.task)
    if case.record.get("hint"):
        hint = f"{str(case.record['hint']).rstrip('.')}. {hint}"
    return Verdict(case.task, status, str(code), str(text), hint)
