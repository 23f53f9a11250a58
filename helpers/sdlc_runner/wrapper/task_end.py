"""How one task of an attempt ended, by the wrapper's own account, and what errors mean for it."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlc_runner.errors import Code
from sdlc_runner.events import Outcome

if TYPE_CHECKING:
    from sdlc_runner.errors import RunnerError

GOOD = (Outcome.SUCCEEDED, Outcome.NO_CHANGE)


@dataclass(frozen=True)
class TaskEnd:
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
    if error.code in {Code.ALREADY_STARTED, Code.PUSH_REJECTED, Code.FEATURE_MOVED}:
        return Outcome.REJECTED
    return Outcome.FAILED


def code_of(error: OSError) -> str:
    """Name what the machine could not do."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return Code.DISK_FULL.value if full else Code.INTERNAL.value


def checkpoint_reason(status: Outcome) -> str:
    """Say why unfinished work is saved at this end."""
    if status in {Outcome.TIMED_OUT, Outcome.IDLE, Outcome.BUDGET_EXCEEDED}:
        return "limit"
    return "signal" if status in {Outcome.INTERRUPTED, Outcome.CANCELLED} else "failure"
