"""The wire format of events: every type, every field, once.

This table is the source of ``event.schema.json`` and ``docs/events.md`` (``scripts/generate``
writes both) and of the check that runs on every line. A kind is a small predicate, because
100,000 lines a run pass through it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.events.vocabulary import FROM_ATTEMPT, EventType, Outcome, PhaseName

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ENVELOPE",
    "FIELDS",
    "FROM_ATTEMPT",
    "LINE_LIMIT",
    "NUMBER_LIMIT",
    "TEXT_LIMIT",
    "TIME_LENGTH",
    "TIME_PATTERN",
    "VERSION",
    "EventType",
    "Field",
    "Kind",
    "Outcome",
    "PhaseName",
]

VERSION = 1
TEXT_LIMIT = 4000  # characters in one text field
NUMBER_LIMIT = 2**53 - 1  # the largest integer that every JSON reader keeps exactly
LINE_LIMIT = 64_000  # bytes in one line; anything longer is no event of ours
TIME_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$"
TIME_LENGTH = 24  # said again, because ``$`` also matches before a last newline in some readers


class Kind(str, Enum):
    """What a field holds."""

    TEXT = "text"
    COUNT = "count"  # integer, 0 or more
    NUMBER = "number"  # 0 or more
    FLAG = "flag"
    TEXTS = "texts"
    RECORDS = "records"  # list of objects
    ANY = "any"


class Field(NamedTuple):
    """One field of an event type."""

    kind: Kind
    meaning: str
    required: bool = False
    values: tuple[str, ...] = ()


def _values(enum: type[Enum]) -> tuple[str, ...]:
    return tuple(str(member.value) for member in enum)


ENVELOPE: Mapping[str, Field] = {
    "v": Field(Kind.COUNT, "version of this format: 1", required=True),
    "seq": Field(Kind.COUNT, "from 1 without holes within one attempt; absent when client-made"),
    "time": Field(Kind.TEXT, "RFC 3339, UTC, milliseconds", required=True),
    "feature": Field(Kind.TEXT, "basename of the feature directory"),
    "task": Field(Kind.TEXT, "task id; for a bundle the id of its first task"),
    "attempt": Field(Kind.COUNT, "1, 2, …"),
    "type": Field(Kind.TEXT, "one of the types below", required=True, values=_values(EventType)),
    "origin": Field(Kind.TEXT, "`client` on events that no attempt wrote", values=("client",)),
    "refilled": Field(Kind.FLAG, "came late, from the transcript, into a gap"),
}

INSTALLABLE = ("file", "command", "permissions", "preset")
_CODE = Field(Kind.TEXT, "stable name of what happened")
_HINT = Field(Kind.TEXT, "what to do, best of all a command")
_MESSAGE = Field(Kind.TEXT, "one sentence for people", required=True)
_BRANCH = Field(Kind.TEXT, "branch the attempt pushes")
_TASKS = Field(Kind.TEXTS, "ids of all tasks of the attempt, in order")
_PLACE: Mapping[str, Field] = {
    "backend": Field(Kind.TEXT, "where it runs: the kind", required=True),
    "where": Field(Kind.TEXT, "where it runs: the place", required=True),
    "branch": _BRANCH,
    "base": Field(Kind.TEXT, "commit it began from"),
    "tasks": _TASKS,
}

FIELDS: Mapping[EventType, Mapping[str, Field]] = {
    EventType.PHASE: {
        "phase": Field(Kind.TEXT, "where the attempt is", required=True, values=_values(PhaseName)),
        "detail": Field(Kind.TEXT, "more, for people"),
        "context_bytes": Field(Kind.COUNT, "size of the prompt, when it begins to work"),
    },
    EventType.LOG: {
        "text": Field(Kind.TEXT, "one line, cleaned and masked", required=True),
        "stream": Field(Kind.TEXT, "where it came from", values=("stdout", "stderr", "wrapper")),
    },
    EventType.MESSAGE: {"text": Field(Kind.TEXT, "what the agent said", required=True)},
    EventType.TOOL: {
        "name": Field(Kind.TEXT, "tool", required=True),
        "target": Field(Kind.TEXT, "file, command or pattern it was used on"),
        "status": Field(
            Kind.TEXT, "how it ended", required=True, values=("running", "completed", "error")
        ),
        "duration": Field(Kind.NUMBER, "seconds"),
    },
    EventType.USAGE: {
        "input_tokens": Field(Kind.COUNT, "so far in this attempt", required=True),
        "output_tokens": Field(Kind.COUNT, "so far, reasoning included", required=True),
        "cache_tokens": Field(Kind.COUNT, "so far, read from and written to the cache"),
        "cost": Field(Kind.NUMBER, "so far, US dollars, as the provider's price list says"),
    },
    EventType.HEARTBEAT: {
        "since": Field(Kind.TEXT, "time of the agent's last sign of life", required=True),
        "idle": Field(Kind.NUMBER, "seconds since then", required=True),
        "last_tool": Field(Kind.TEXT, "tool used last"),
    },
    EventType.WARNING: {
        "code": Field(Kind.TEXT, "stable name", required=True),
        "message": _MESSAGE,
        "hint": _HINT,
        "line": Field(Kind.COUNT, "line in tasks.md"),
    },
    EventType.CHECKPOINT: {
        "ref": Field(Kind.TEXT, "ref on the remote that holds the work", required=True),
        "commit": Field(Kind.TEXT, "its commit", required=True),
        "reason": Field(
            Kind.TEXT, "why now", required=True, values=("interval", "signal", "limit", "failure")
        ),
    },
    EventType.RESULT: {
        "status": Field(
            Kind.TEXT, "the attempt's own claim", required=True, values=_values(Outcome)
        ),
        "code": _CODE,
        "message": Field(Kind.TEXT, "one sentence for people"),
        "base": Field(Kind.TEXT, "commit it began from"),
        "head": Field(Kind.TEXT, "commit it says it pushed"),
        "branch": _BRANCH,
        "tasks": Field(Kind.RECORDS, "one record a task: task, status, commit, code"),
        "evidence": Field(Kind.RECORDS, "one record a command: command, exit, output"),
        "input_tokens": Field(Kind.COUNT, "in the whole attempt"),
        "output_tokens": Field(Kind.COUNT, "in the whole attempt"),
        "cost": Field(Kind.NUMBER, "in the whole attempt, US dollars"),
        "duration": Field(Kind.NUMBER, "seconds from start to result"),
    },
    EventType.PLANNED: {
        "disposition": Field(
            Kind.TEXT,
            "what the plan says of the task",
            required=True,
            values=("done", "sync", "ready", "waiting", "blocked", "manual", "invalid"),
        ),
        "reason": Field(Kind.TEXT, "why, with line numbers", required=True),
        "line": Field(Kind.COUNT, "line in tasks.md", required=True),
        "mode": Field(Kind.TEXT, "unmarked is SYNC", required=True, values=("SYNC", "ASYNC")),
        "title": Field(Kind.TEXT, "its first line without markers"),
        "phase": Field(Kind.TEXT, "title of its phase"),
        "story": Field(Kind.TEXT, "US1, …"),
        "wave": Field(Kind.COUNT, "tasks of one wave may run at the same time; from 1"),
        "bundle": Field(Kind.TEXT, "id of the first task of its bundle"),
        "files": Field(Kind.TEXTS, "files it names"),
        "waits_for": Field(Kind.TEXTS, "open tasks it waits for"),
        "warnings": Field(Kind.TEXTS, "sentences, such as a false [P]"),
    },
    EventType.SPAWNED: _PLACE,
    EventType.ATTACHED: {
        **_PLACE,
        "url": Field(Kind.TEXT, "where the agent's server is reached while the verb runs"),
        "session": Field(Kind.TEXT, "the attempt's session there"),
        "hint": _HINT,
    },
    EventType.SENT: {
        "session": Field(Kind.TEXT, "session of the agent that took it", required=True),
        "bytes": Field(Kind.COUNT, "size of the text", required=True),
    },
    EventType.QUEUED: {"reason": Field(Kind.TEXT, "what it waits for", required=True)},
    EventType.GAP: {
        "from": Field(Kind.COUNT, "first seq that is missing", required=True),
        "to": Field(Kind.COUNT, "last seq that is missing", required=True),
        "recovered": Field(Kind.FLAG, "whether the missing events were found", required=True),
    },
    EventType.OUTCOME: {
        "outcome": Field(Kind.TEXT, "the witnessed truth", required=True, values=_values(Outcome)),
        "code": Field(Kind.TEXT, "stable name of what decided it", required=True),
        "message": _MESSAGE,
        "hint": _HINT,
        "branch": _BRANCH,
        "base": Field(Kind.TEXT, "commit it began from"),
        "head": Field(Kind.TEXT, "commit that the remote shows"),
        "bundle": Field(Kind.TEXT, "first task of the bundle, when the task is in one"),
        "checkpoint": Field(Kind.TEXT, "ref that holds unfinished work"),
        "input_tokens": Field(Kind.COUNT, "in the whole attempt"),
        "output_tokens": Field(Kind.COUNT, "in the whole attempt"),
        "cost": Field(Kind.NUMBER, "in the whole attempt, US dollars"),
        "duration": Field(Kind.NUMBER, "seconds"),
        "excerpt": Field(Kind.TEXTS, "last lines of a failed attempt's log"),
    },
    EventType.CONFLICT: {
        "branch": Field(Kind.TEXT, "branch left whole on the remote", required=True),
        "files": Field(Kind.TEXTS, "files in conflict", required=True),
        "message": _MESSAGE,
        "hint": _HINT,
    },
    EventType.MERGED: {
        "branch": Field(Kind.TEXT, "what was merged", required=True),
        "into": Field(Kind.TEXT, "feature branch", required=True),
        "commit": Field(Kind.TEXT, "merge commit on the remote's feature branch", required=True),
        "stripped": Field(Kind.TEXTS, "files whose edits were left out"),
    },
    EventType.TICKED: {
        "line": Field(Kind.COUNT, "line in tasks.md", required=True),
        "commit": Field(Kind.TEXT, "commit on the remote's feature branch", required=True),
    },
    EventType.PUBLISHED: {
        "branch": Field(Kind.TEXT, "feature branch", required=True),
        "commit": Field(Kind.TEXT, "its head on the remote", required=True),
        "files": Field(Kind.TEXTS, "files that were committed"),
    },
    EventType.CONTINUE: {
        "cursor": Field(Kind.TEXT, "give it to --cursor", required=True),
        "hint": _HINT,
    },
    EventType.ROW: {
        "state": Field(
            Kind.TEXT, "running, or ended", required=True, values=("running", "ended", "merged")
        ),
        "phase": Field(Kind.TEXT, "where the attempt is or ended"),
        "outcome": Field(Kind.TEXT, "how it ended", values=_values(Outcome)),
        "code": _CODE,
        "backend": Field(Kind.TEXT, "where it runs"),
        "where": Field(Kind.TEXT, "the place"),
        "branch": _BRANCH,
        "tasks": _TASKS,
        "elapsed": Field(Kind.NUMBER, "seconds since its first event"),
        "last": Field(Kind.TEXT, "newest event, as people's words"),
        "input_tokens": Field(Kind.COUNT, "so far"),
        "output_tokens": Field(Kind.COUNT, "so far"),
        "cost": Field(Kind.NUMBER, "so far, US dollars"),
    },
    EventType.REPORT: {
        "markdown": Field(Kind.TEXT, "file with the run as Markdown", required=True),
        "timeline": Field(Kind.TEXT, "file with its picture (SVG)", required=True),
        "attempts": Field(Kind.COUNT, "attempts in it"),
        "input_tokens": Field(Kind.COUNT, "of all attempts"),
        "output_tokens": Field(Kind.COUNT, "of all attempts"),
        "cost": Field(Kind.NUMBER, "of all attempts, US dollars"),
    },
    EventType.CHECK: {
        "name": Field(Kind.TEXT, "link of the chain", required=True),
        "ok": Field(Kind.FLAG, "whether it holds", required=True),
        "message": _MESSAGE,
        "hint": _HINT,
        "code": _CODE,
    },
    EventType.SETTING: {
        "key": Field(Kind.TEXT, "dotted name", required=True),
        "value": Field(Kind.ANY, "value in force", required=True),
        "source": Field(
            Kind.TEXT,
            "who said so",
            required=True,
            values=("flag", "environment", "user file", "repository file", "default"),
        ),
    },
    EventType.INSTALLED: {
        "what": Field(Kind.TEXT, "what it is", required=True, values=INSTALLABLE),
        "name": Field(Kind.TEXT, "which one", required=True),
        "dry_run": Field(Kind.FLAG, "true: it would be installed"),
    },
    EventType.REMOVED: {
        "what": Field(
            Kind.TEXT, "what it is", required=True, values=("branch", "refs", "state", *INSTALLABLE)
        ),
        "name": Field(Kind.TEXT, "which one", required=True),
        "dry_run": Field(Kind.FLAG, "true: it would be removed"),
    },
    EventType.ERROR: {
        "code": Field(Kind.TEXT, "stable name", required=True),
        "message": _MESSAGE,
        "hint": _HINT,
        "line": Field(Kind.COUNT, "line in the file that is wrong"),
    },
    EventType.SUMMARY: {
        "verb": Field(Kind.TEXT, "verb that ends", required=True),
        "verdict": Field(Kind.TEXT, "one line for people and models", required=True),
        "ok": Field(Kind.FLAG, "whether all is well", required=True),
        "exit": Field(Kind.COUNT, "exit code of the verb", required=True),
        "counts": Field(Kind.ANY, "how many of each: object of integers"),
        "next": Field(Kind.TEXT, "command that goes on from here"),
    },
}
