"""One attempt from clone to result: its parts, the order of things, and what each failure means."""

from __future__ import annotations

import contextlib
import errno
import json
import time
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.errors import Code, ExitCode, RunnerError
from sdlc_runner.events.types import (
    Outcome,
    PhaseEvent,
    PhaseName,
    ResultEvent,
    UsageEvent,
    WarningEvent,
)
from sdlc_runner.git.command import PushStatus
from sdlc_runner.worker import prompt
from sdlc_runner.worker.agents import verify_commands
from sdlc_runner.worker.agents.base import Usage
from sdlc_runner.worker.git.push import Checkpoints, Pusher
from sdlc_runner.worker.git.workspace import Workspace, message
from sdlc_runner.worker.journal import Journal
from sdlc_runner.worker.shutdown import ShutdownRequested, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask
    from sdlc_runner.config.settings import Limits
    from sdlc_runner.events.types import EventBody
    from sdlc_runner.worker.agents.base import Agent, AgentResult, Emit
    from sdlc_runner.worker.git.credentials import Credentials
    from sdlc_runner.worker.git.workspace import Staged
    from sdlc_runner.worker.masking import Masker


# Zero means "no limit", so a limit that is used up becomes the smallest there is.
_USED_UP = 0.001


class Budget:
    """Adds up the use of one task after the other."""

    def __init__(self, limits: Limits) -> None:
        """Begin to count; the run limit's own clock starts with the first agent."""
        self._limits = limits
        self._began = time.monotonic()
        self._working_since: float | None = None
        self.used = Usage()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return round(time.monotonic() - self._began, 3)

    def left(self) -> Limits:
        """Return the limits for the task that begins now."""
        limits, now = self._limits, time.monotonic()
        if self._working_since is None:
            self._working_since = now
        worked = now - self._working_since
        return replace(
            limits,
            run_seconds=limits.run_seconds and max(limits.run_seconds - worked, _USED_UP),
            tokens=limits.tokens and max(limits.tokens - self.used.tokens, 1),
            cost=limits.cost and max(limits.cost - self.used.cost, _USED_UP),
        )

    def add(self, usage: Usage) -> None:
        """Count what a task used."""
        self.used = self.used.plus(usage)

    def totals(self, emit: Emit) -> Emit:
        """Wrap ``emit`` so that ``usage`` events count from the attempt's start, not the task's."""
        before = self.used

        def add_before(body: EventBody) -> None:
            if isinstance(body, UsageEvent):
                body = before.plus(Usage.of_event(body)).to_event()
            emit(body)

        return add_before


GOOD = (Outcome.SUCCEEDED, Outcome.NO_CHANGE)
_NEVER_BEGUN = frozenset(
    {Code.ALREADY_STARTED, Code.PUSH_REJECTED, Code.FEATURE_MOVED, Code.UNREACHABLE_HOST}
    | {Code.BAD_CREDENTIALS, Code.NO_KNOWN_HOSTS, Code.HOST_KEY_REFUSED, Code.REMOTE_FORBIDDEN}
)


@dataclass(frozen=True)
class TaskResult:
    """How one task of the attempt ended."""

    task: str
    status: Outcome
    code: str
    message: str
    commit: str | None = None
    hint: str = ""

    def to_record(self) -> dict[str, Any]:
        """Return its part of the result."""
        record = {
            "task": self.task,
            "status": self.status.value,
            "code": self.code,
            "message": self.message,
            "commit": self.commit,
            "hint": self.hint,
        }
        return {name: value for name, value in record.items() if value}


def outcome_of(error: RunnerError) -> Outcome:
    """Say how an attempt ended that could not go on."""
    if error.code in _NEVER_BEGUN:
        return Outcome.REJECTED
    return Outcome.INTERRUPTED if error.code is Code.PIDS_EXHAUSTED else Outcome.FAILED


def of_system(error: OSError) -> RunnerError:
    """Say what the machine could not do."""
    text = f"The attempt broke off: {error.strerror or error}."
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return RunnerError(Code.DISK_FULL, text)
    if error.errno == errno.EAGAIN:
        text = "There are too many processes: no further one could be started."
        return RunnerError(Code.PIDS_EXHAUSTED, text, "Allow the pod more processes.")
    return RunnerError(Code.INTERNAL, text)


def checkpoint_reason(status: Outcome) -> str:
    """Say why unfinished work is saved at this end."""
    if status in {Outcome.TIMED_OUT, Outcome.IDLE, Outcome.BUDGET_EXCEEDED}:
        return "limit"
    return "signal" if status in {Outcome.INTERRUPTED, Outcome.CANCELLED} else "failure"


_MOST_NAMES = 10


@dataclass
class AttemptRun:
    """The parts of one attempt, and how far it has come."""

    workspace: Workspace
    delivery: Pusher
    checkpoints: Checkpoints
    journal: Journal
    masker: Masker
    stop: Stop
    agent: Agent
    is_cancelled: Callable[[], bool]
    budget: Budget
    before_clone: Callable[[], None] = lambda: None
    head: str = ""
    ends: list[TaskResult] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    _locked: bool = False

    def run(self) -> Outcome:
        """Do all of it; returns the attempt's own claim, which proves nothing."""
        spec = self.workspace.spec
        self.head = spec.base
        try:
            self._prepare()
            for number, task in enumerate(spec.tasks):
                self.ends.append(self._do(task, spec.task_ids[:number]))
                if self.ends[-1].status not in GOOD:
                    self._skip_rest(self.ends[-1])
                    break
        except ShutdownRequested:
            self._fail(*self._stopped())
        except (RunnerError, OSError) as error:
            why = error if isinstance(error, RunnerError) else of_system(error)
            self._fail(outcome_of(why), why.code.value, why.message, why.hint)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not cost the work
            text = f"The worker failed: {type(error).__name__}: {error}"
            self._fail(Outcome.FAILED, Code.INTERNAL.value, text)
        return self._finish()

    def _prepare(self) -> None:
        self._phase(PhaseName.CLONING)
        with self.stop.may_break_in():
            if self.is_cancelled():
                raise ShutdownRequested
            self.before_clone()
            self.workspace.clone()
            self.agent.prepare()
        if self.stop.asked.is_set():
            raise ShutdownRequested
        self.delivery.take_lock()
        self._locked = True

    def _do(self, task: AttemptTask, done: tuple[str, ...]) -> TaskResult:
        """Work on one task: agent, verify commands, commit."""
        spec, work = self.workspace.spec, self.workspace.work
        packet = prompt.build(spec, task, work, done)
        self.journal.last_words = ""  # the task before said those
        self._phase(PhaseName.WORKING, detail=task.id, context_bytes=packet.bytes)
        with self.agent.turn(), self.checkpoints.while_working(self.head):
            emit = self.budget.totals(self.journal.emit)
            end = self.agent.run(self.budget.left(), packet.text, emit)
            self.budget.add(end.usage)
            words = end.last_message or self.journal.last_words
            if end.status is Outcome.SUCCEEDED:
                end = self._verify(task, end)
        if end.status is not Outcome.SUCCEEDED:
            status, code, text = (
                self._stopped()
                if end.status is Outcome.INTERRUPTED
                else (end.status, end.code, end.message)
            )
            return TaskResult(task.id, status, code, text, hint=end.hint)
        if words:
            self.evidence.append({"task": task.id, "message": words})
        return self._commit(task)

    def _verify(self, task: AttemptTask, end: AgentResult) -> AgentResult:
        spec = self.workspace.spec
        records = verify_commands.run_all(self.agent, spec, self.journal.emit, self.stop.asked)
        if self.stop.asked.is_set():
            return replace(end, status=Outcome.INTERRUPTED)
        self.evidence += [{"task": task.id, **record} for record in records]
        failed = next((item for item in records if item["exit"] != 0), None)
        if failed is None:
            return end
        text = f"A verify command ended with {failed['exit']}: {failed['command']}"
        return replace(end, status=Outcome.FAILED, code="verify_failed", message=text)

    def _commit(self, task: AttemptTask) -> TaskResult:
        self._phase(PhaseName.COMMITTING, detail=task.id)
        staged = self.workspace.stage(self.masker, self.head)
        self._warn_left_out(staged)
        if staged.secrets:
            text = f"A known secret is in {', '.join(staged.secrets)}; nothing of it was pushed."
            return TaskResult(task.id, Outcome.FAILED, "secret_in_diff", text)
        if staged.tree == self.workspace.tree_of(self.head):
            if staged.unread:
                text = "Nothing of the agent's work could be committed."
                return TaskResult(task.id, Outcome.FAILED, "not_committed", text)
            text = "The agent finished and changed nothing."
            return TaskResult(task.id, Outcome.NO_CHANGE, "no_change", text)
        key = self.workspace.spec.key
        trailers = {
            "Feature": key.feature,
            "Task": task.id,
            "Attempt": key.number,
            "Agent-Status": Outcome.SUCCEEDED.value,
        }
        subject = message(f"{task.id}: {task.title}"[:200], trailers)
        self.head = self.workspace.commit(staged.tree, (self.head,), self.masker.mask(subject))
        return TaskResult(task.id, Outcome.SUCCEEDED, "committed", "Committed.", self.head)

    def _warn_left_out(self, staged: Staged) -> None:
        if staged.protected:
            self._warn(
                "protected_file",
                f"Left out, they belong to the main session: {', '.join(staged.protected)}",
            )
        if staged.unread:
            names = ", ".join(staged.unread[:_MOST_NAMES])
            text = f"Left out, unreadable, too large or refused by git: {names}"
            self._warn("not_committed", text)

    def _finish(self) -> Outcome:
        """Push what there is and tell the result, also when there is no room on the disk."""
        if self.head != self.workspace.spec.base:
            self._push()
        worst = next((end for end in self.ends if end.status not in GOOD), None)
        if worst is not None and self._locked and worst.code != "secret_in_diff":
            with contextlib.suppress(OSError):
                self.checkpoints.save(self.head, checkpoint_reason(worst.status))
        end = worst or next(
            (end for end in self.ends if end.status is Outcome.SUCCEEDED), self.ends[-1]
        )
        result = self._result(end)
        self.result = result.to_fields()
        self.journal.emit(result)
        if self._locked:
            with contextlib.suppress(OSError):
                self._push_transcript(self.result)
        return end.status

    def _push(self) -> None:
        try:
            self._phase(PhaseName.PUSHING, detail=self.workspace.spec.branch)
            result = self.delivery.push_branch(self.head)
        except (RunnerError, OSError) as error:
            why = error if isinstance(error, RunnerError) else of_system(error)
            self._not_pushed(why.code.value, why.message)
            return
        away = Code.REMOTE_FORBIDDEN if result.is_shut_out else Code.REMOTE_UNREACHABLE
        codes = {
            PushStatus.STALE: "branch_exists",
            PushStatus.REFUSED: Code.PUSH_REJECTED.value,
            PushStatus.UNREACHABLE: away.value,
        }
        if result.status in codes:
            text = f"The branch was not pushed: {result.message}"
            self._not_pushed(codes[result.status], text)

    def _not_pushed(self, code: str, text: str) -> None:
        """Take back that tasks succeeded."""
        self.ends = [
            replace(end, status=Outcome.PUSH_FAILED, code=code, message=text)
            if end.status is Outcome.SUCCEEDED
            else end
            for end in self.ends
        ]

    def _push_transcript(self, result: Mapping[str, Any]) -> None:
        try:
            text = json.dumps(result, ensure_ascii=False)
            pushed = self.delivery.push_transcript(self.journal.path, self.masker.mask(text))
        except (RunnerError, OSError) as error:
            self._warn("transcript_failed", f"The transcript was not pushed: {error}")
            return
        if pushed.status is not PushStatus.DONE:
            self._warn("transcript_failed", f"The transcript was not pushed: {pushed.message}")

    def _result(self, end: TaskResult) -> ResultEvent:
        spec = self.workspace.spec
        return ResultEvent(
            status=end.status,
            code=end.code,
            message=end.message,
            base=spec.base,
            head=self.head,
            branch=spec.branch,
            tasks=[item.to_record() for item in self.ends],
            evidence=self.evidence,
            input_tokens=self.budget.used.input_tokens,
            output_tokens=self.budget.used.output_tokens,
            cost=self.budget.used.cost,
            duration=self.budget.seconds,
        )

    def _skip_rest(self, end: TaskResult) -> None:
        """End the tasks whose turn did not come as the one before them ended."""
        text = f"{end.task} ended as {end.status.value}, so its turn did not come."
        self._fail(end.status, "not_reached", text)

    def _fail(self, status: Outcome, code: str, text: str, hint: str = "") -> None:
        """End every task that has not ended with the same failure."""
        ended = {end.task for end in self.ends}
        for task in self.workspace.spec.task_ids:
            if task not in ended:
                self.ends.append(TaskResult(task, status, code, text, hint=hint))

    def _stopped(self) -> tuple[Outcome, str, str]:
        if self.is_cancelled():
            return Outcome.CANCELLED, "cancelled", "Cancelled by the user."
        return Outcome.INTERRUPTED, "signal", "The attempt was asked to stop before it was done."

    def _phase(self, phase: PhaseName, **fields: Any) -> None:  # noqa: ANN401
        self.journal.emit(PhaseEvent(phase=phase, **fields))

    def _warn(self, code: str, text: str) -> None:
        self.journal.emit(WarningEvent(code=code, message=text))


TERMINATED = 143


class Place(NamedTuple):
    """Where an attempt keeps what it has, and what the start ref says of where that is."""

    journal: Path
    git_dir: Path
    work: Path
    where: str


def assemble(
    place: Place,
    spec: AttemptSpec,
    agent: Agent,
    masker: Masker,
    stop: Stop,
    is_cancelled: Callable[[], bool],
    credentials: Credentials,
    copy: IO[str] | None = None,
) -> AttemptRun:
    """Make the run of one attempt; ``copy`` gets every event line too."""
    journal = Journal(place.journal, spec.key, masker, copy)
    workspace = Workspace(place.git_dir, place.work, spec, credentials)
    delivery = Pusher(workspace, spec, place.where)
    return AttemptRun(
        workspace,
        delivery,
        Checkpoints(workspace, delivery, journal, masker),
        journal,
        masker,
        stop,
        agent,
        is_cancelled,
        Budget(spec.limits),
    )


def exit_code(outcome: Outcome) -> int:
    """Return the worker's own exit code for how the attempt ended."""
    if outcome in {Outcome.INTERRUPTED, Outcome.CANCELLED}:
        return TERMINATED
    return ExitCode.OK if outcome.is_success else ExitCode.TASK_FAILED
