"""The closed vocabularies of events: their types, the phases of an attempt, and how it ends."""

from __future__ import annotations

from enum import Enum


class EventType(str, Enum):
    """What an event tells."""

    PHASE = "phase"
    LOG = "log"
    MESSAGE = "message"
    TOOL = "tool"
    USAGE = "usage"
    HEARTBEAT = "heartbeat"
    WARNING = "warning"
    CHECKPOINT = "checkpoint"
    RESULT = "result"
    PLANNED = "planned"
    SPAWNED = "spawned"
    ATTACHED = "attached"
    SENT = "sent"
    QUEUED = "queued"
    GAP = "gap"
    OUTCOME = "outcome"
    CONFLICT = "conflict"
    MERGED = "merged"
    TICKED = "ticked"
    PUBLISHED = "published"
    CONTINUE = "continue"
    ROW = "row"
    REPORT = "report"
    CHECK = "check"
    SETTING = "setting"
    INSTALLED = "installed"
    REMOVED = "removed"
    ERROR = "error"
    SUMMARY = "summary"


FROM_ATTEMPT = frozenset(
    {
        EventType.PHASE,
        EventType.LOG,
        EventType.MESSAGE,
        EventType.TOOL,
        EventType.USAGE,
        EventType.HEARTBEAT,
        EventType.WARNING,
        EventType.CHECKPOINT,
        EventType.RESULT,
    }
)
"""The only types a line from an attempt may have; anything else there is a log."""


class PhaseName(str, Enum):
    """Where an attempt is."""

    PENDING = "pending"
    PULLING = "pulling"
    STARTING = "starting"
    CLONING = "cloning"
    WORKING = "working"
    VERIFYING = "verifying"
    COMMITTING = "committing"
    PUSHING = "pushing"


class Outcome(str, Enum):
    """How an attempt ended; only the git remote makes the first two."""

    SUCCEEDED = "succeeded"
    NO_CHANGE = "no_change"
    FAILED = "failed"
    PUSH_FAILED = "push_failed"
    CONFLICT = "conflict"
    TIMED_OUT = "timed_out"
    IDLE = "idle"
    BUDGET_EXCEEDED = "budget_exceeded"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    REJECTED = "rejected"
    LOST = "lost"
    UNVERIFIED = "unverified"

    @property
    def is_success(self) -> bool:
        """Whether the task may be ticked and what rests on it may begin."""
        return self in {Outcome.SUCCEEDED, Outcome.NO_CHANGE}
