"""How one task of an attempt ended, by the worker's own account, and what errors mean for it."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any

from sdlc_runner.errors import Code, RunnerError
from sdlc_runner.events.types import Outcome

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
