"""Every type of event: one frozen dataclass each, its fields annotated with their meaning.

The annotations are the source of ``event.schema.json``, of docs/events.md and of the skill's
table (``scripts/generate`` writes them), and of the check that every line from an attempt passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    get_args,
    get_origin,
    get_type_hints,
)

VERSION = 1
TEXT_LIMIT = 4000  # characters in one text field
NUMBER_LIMIT = 2**53 - 1  # the largest integer that every JSON reader keeps exactly
LINE_LIMIT = 64_000  # bytes in one line; anything longer is not an event
TIME_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$"
TIME_LENGTH = 24  # needed as well, because ``$`` also matches before a last newline in some readers


class EventType(str, Enum):
    """What an event is about; the value is its ``type`` on the wire."""

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
"""The only types that a line from an attempt may have; any other line is read as a log line."""


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
    """How an attempt ended; the first two are decided from the git remote alone."""

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
        """Whether the task may be ticked and the tasks that depend on it may start."""
        return self in {Outcome.SUCCEEDED, Outcome.NO_CHANGE}


class FieldKind(str, Enum):
    """What a field holds."""

    TEXT = "text"
    COUNT = "count"  # integer, 0 or more
    NUMBER = "number"  # 0 or more
    FLAG = "flag"
    TEXTS = "texts"
    RECORDS = "records"  # list of objects
    ANY = "any"


class Field(NamedTuple):
    """One field as the schema and the documents need it; ``name`` is its key on the wire."""

    name: str
    kind: FieldKind
    meaning: str
    required: bool
    values: tuple[str, ...] = ()


class OneOf:
    """The values of a text field."""

    def __init__(self, *values: str) -> None:
        self.values = values


@dataclass(frozen=True)
class EventBody:
    """What a type of event adds to the envelope. A field that is None is unknown: left out."""

    type: ClassVar[EventType]

    def to_fields(self) -> dict[str, Any]:
        """Return the fields by their keys on the wire, unknown ones left out."""
        found = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {_wire_name(name): _plain(value) for name, value in found if value is not None}


def _wire_name(name: str) -> str:
    return name.rstrip("_")  # a key may be a word of Python's: ``from``


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def fields_of(body: type[EventBody]) -> dict[str, Field]:
    """Return the fields of an event type, or of the envelope, by their keys on the wire."""
    hints = get_type_hints(body, include_extras=True)
    found = (_field(field.name, hints[field.name]) for field in fields(body))
    return {field.name: field for field in found}


def _field(name: str, annotation: Any) -> Field:  # noqa: ANN401
    held, *notes = get_args(annotation)
    meaning = next(note for note in notes if type(note) is str)
    required = type(None) not in get_args(held)
    if not required:
        (held,) = (each for each in get_args(held) if each is not type(None))
    values = next((note.values for note in notes if isinstance(note, OneOf)), _values(held))
    return Field(_wire_name(name), _kind(held), meaning, required, values)


def _values(held: Any) -> tuple[str, ...]:  # noqa: ANN401
    if get_origin(held) is Literal:
        return get_args(held)
    is_enum = isinstance(held, type) and issubclass(held, Enum)
    return tuple(str(member.value) for member in held) if is_enum else ()


def _kind(held: Any) -> FieldKind:  # noqa: ANN401
    if get_origin(held) is Sequence:
        return FieldKind.TEXTS if get_args(held) == (str,) else FieldKind.RECORDS
    kinds = {
        bool: FieldKind.FLAG,
        int: FieldKind.COUNT,
        float: FieldKind.NUMBER,
        object: FieldKind.ANY,
    }
    return kinds.get(held, FieldKind.TEXT)


@dataclass(frozen=True, kw_only=True)
class Envelope(EventBody):
    """The keys of every event."""

    v: Annotated[int, "version of this format: 1"]
    seq: Annotated[int | None, "from 1 without holes in an attempt; absent on the client's events"]
    time: Annotated[str, "RFC 3339, UTC, milliseconds"]
    feature: Annotated[str | None, "basename of the feature directory"]
    task: Annotated[str | None, "task id; for a batch the id of its first task"]
    attempt: Annotated[int | None, "1, 2, …"]
    type_: Annotated[EventType, "one of the types below"]
    origin: Annotated[Literal["client"] | None, "`client` on events that the client made"]
    refilled: Annotated[bool | None, "true: recovered from the transcript to fill a gap"]


ENVELOPE = fields_of(Envelope)


@dataclass(frozen=True, kw_only=True)
class PhaseEvent(EventBody):
    """Where an attempt is now."""

    type: ClassVar[EventType] = EventType.PHASE

    phase: Annotated[PhaseName, "where the attempt is"]
    detail: Annotated[str | None, "more, for people"] = None
    context_bytes: Annotated[int | None, "size of the prompt, when the agent starts"] = None


@dataclass(frozen=True, kw_only=True)
class LogEvent(EventBody):
    """One line of a log that is no event of the attempt."""

    type: ClassVar[EventType] = EventType.LOG

    text: Annotated[str, "one line, cleaned and masked"]
    stream: Annotated[str | None, OneOf("stdout", "stderr", "wrapper"), "where it came from"] = None


@dataclass(frozen=True, kw_only=True)
class MessageEvent(EventBody):
    """What the agent said."""

    type: ClassVar[EventType] = EventType.MESSAGE

    text: Annotated[str, "what the agent said"]


@dataclass(frozen=True, kw_only=True)
class ToolEvent(EventBody):
    """A tool that the agent used."""

    type: ClassVar[EventType] = EventType.TOOL

    name: Annotated[str, "tool"]
    status: Annotated[str, OneOf("running", "completed", "error"), "how it ended"]
    target: Annotated[str | None, "file, command or pattern it was used on"] = None
    duration: Annotated[float | None, "seconds"] = None


@dataclass(frozen=True, kw_only=True)
class UsageEvent(EventBody):
    """Tokens and cost so far."""

    type: ClassVar[EventType] = EventType.USAGE

    input_tokens: Annotated[int, "so far in this attempt"]
    output_tokens: Annotated[int, "so far, reasoning included"]
    cache_tokens: Annotated[int | None, "so far, read from and written to the cache"] = None
    cost: Annotated[float | None, "so far, US dollars, as the provider's price list says"] = None


@dataclass(frozen=True, kw_only=True)
class HeartbeatEvent(EventBody):
    """The agent is alive but prints nothing."""

    type: ClassVar[EventType] = EventType.HEARTBEAT

    since: Annotated[str, "time of the agent's last output"]
    idle: Annotated[float, "seconds since then"]
    last_tool: Annotated[str | None, "tool used last"] = None


@dataclass(frozen=True, kw_only=True)
class WarningEvent(EventBody):
    """Something the user should know; the work continues."""

    type: ClassVar[EventType] = EventType.WARNING

    code: Annotated[str, "stable name"]
    message: Annotated[str, "one sentence for people"]
    hint: Annotated[str | None, "what to do, usually a command"] = None
    line: Annotated[int | None, "line in tasks.md"] = None


@dataclass(frozen=True, kw_only=True)
class CheckpointEvent(EventBody):
    """Unfinished work is on the remote."""

    type: ClassVar[EventType] = EventType.CHECKPOINT

    ref: Annotated[str, "ref on the remote that holds the work"]
    commit: Annotated[str, "its commit"]
    reason: Annotated[str, OneOf("interval", "signal", "limit", "failure"), "why now"]


@dataclass(frozen=True, kw_only=True)
class ResultEvent(EventBody):
    """How the attempt says it ended: a claim."""

    type: ClassVar[EventType] = EventType.RESULT

    status: Annotated[Outcome, "the attempt's own claim"]
    code: Annotated[str | None, "stable name of what happened"] = None
    message: Annotated[str | None, "one sentence for people"] = None
    base: Annotated[str | None, "commit it started from"] = None
    head: Annotated[str | None, "commit it says it pushed"] = None
    branch: Annotated[str | None, "branch the attempt pushes"] = None
    tasks: Annotated[
        Sequence[Mapping[str, Any]] | None, "one record a task: task, status, commit, code"
    ] = None
    evidence: Annotated[
        Sequence[Mapping[str, Any]] | None, "one record a command: command, exit, output"
    ] = None
    input_tokens: Annotated[int | None, "in the whole attempt"] = None
    output_tokens: Annotated[int | None, "in the whole attempt"] = None
    cost: Annotated[float | None, "in the whole attempt, US dollars"] = None
    duration: Annotated[float | None, "seconds from start to result"] = None


@dataclass(frozen=True, kw_only=True)
class PlannedEvent(EventBody):
    """What the plan decided for one task."""

    type: ClassVar[EventType] = EventType.PLANNED

    disposition: Annotated[
        str,
        OneOf("done", "sync", "ready", "waiting", "blocked", "manual", "invalid"),
        "what the plan decided for the task",
    ]
    reason: Annotated[str, "why, with line numbers"]
    line: Annotated[int, "line in tasks.md"]
    mode: Annotated[str, OneOf("SYNC", "ASYNC"), "unmarked is SYNC"]
    title: Annotated[str | None, "its first line without markers"] = None
    phase: Annotated[str | None, "title of its phase"] = None
    story: Annotated[str | None, "US1, …"] = None
    wave: Annotated[int | None, "tasks of one wave may run at the same time; from 1"] = None
    bundle: Annotated[str | None, "id of the first task of its batch"] = None
    files: Annotated[Sequence[str] | None, "files it names"] = None
    waits_for: Annotated[Sequence[str] | None, "open tasks it waits for"] = None
    warnings: Annotated[Sequence[str] | None, "sentences, such as a false [P]"] = None


@dataclass(frozen=True, kw_only=True)
class SpawnedEvent(EventBody):
    """An attempt was started."""

    type: ClassVar[EventType] = EventType.SPAWNED

    backend: Annotated[str, "where it runs: the kind"]
    where: Annotated[str, "where it runs: the place"]
    branch: Annotated[str | None, "branch the attempt pushes"] = None
    base: Annotated[str | None, "commit it started from"] = None
    tasks: Annotated[Sequence[str] | None, "ids of all tasks of the attempt, in order"] = None


@dataclass(frozen=True, kw_only=True)
class AttachedEvent(EventBody):
    """An attempt that was already running is followed."""

    type: ClassVar[EventType] = EventType.ATTACHED

    backend: Annotated[str, "where it runs: the kind"]
    where: Annotated[str, "where it runs: the place"]
    branch: Annotated[str | None, "branch the attempt pushes"] = None
    base: Annotated[str | None, "commit it started from"] = None
    tasks: Annotated[Sequence[str] | None, "ids of all tasks of the attempt, in order"] = None
    url: Annotated[str | None, "address of the agent's server while the command runs"] = None
    session: Annotated[str | None, "the attempt's session there"] = None
    hint: Annotated[str | None, "what to do, usually a command"] = None


@dataclass(frozen=True, kw_only=True)
class SentEvent(EventBody):
    """A user's text reached the agent."""

    type: ClassVar[EventType] = EventType.SENT

    session: Annotated[str, "session of the agent that took it"]
    bytes: Annotated[int, "size of the text"]


@dataclass(frozen=True, kw_only=True)
class QueuedEvent(EventBody):
    """An attempt waits for something outside it."""

    type: ClassVar[EventType] = EventType.QUEUED

    reason: Annotated[str, "what it waits for"]


@dataclass(frozen=True, kw_only=True)
class GapEvent(EventBody):
    """Events that are missing from a log."""

    type: ClassVar[EventType] = EventType.GAP

    from_: Annotated[int, "first seq that is missing"]
    to: Annotated[int, "last seq that is missing"]
    recovered: Annotated[bool, "whether the missing events were found"]


@dataclass(frozen=True, kw_only=True)
class OutcomeEvent(EventBody):
    """How one task of an attempt ended, verified against the remote."""

    type: ClassVar[EventType] = EventType.OUTCOME

    outcome: Annotated[Outcome, "the verified outcome"]
    code: Annotated[str, "stable name of what decided it"]
    message: Annotated[str, "one sentence for people"]
    hint: Annotated[str | None, "what to do, usually a command"] = None
    branch: Annotated[str | None, "branch the attempt pushes"] = None
    base: Annotated[str | None, "commit it started from"] = None
    head: Annotated[str | None, "commit that the remote shows"] = None
    bundle: Annotated[str | None, "first task of the batch, when the task is in one"] = None
    checkpoint: Annotated[str | None, "ref that holds unfinished work"] = None
    duration: Annotated[float | None, "seconds"] = None
    input_tokens: Annotated[int | None, "in the whole attempt"] = None
    output_tokens: Annotated[int | None, "in the whole attempt"] = None
    cost: Annotated[float | None, "in the whole attempt, US dollars"] = None
    excerpt: Annotated[Sequence[str] | None, "last lines of a failed attempt's log"] = None


@dataclass(frozen=True, kw_only=True)
class ConflictEvent(EventBody):
    """A branch was not merged."""

    type: ClassVar[EventType] = EventType.CONFLICT

    branch: Annotated[str, "branch, unchanged on the remote"]
    files: Annotated[Sequence[str], "files in conflict"]
    message: Annotated[str, "one sentence for people"]
    hint: Annotated[str | None, "what to do, usually a command"] = None


@dataclass(frozen=True, kw_only=True)
class MergedEvent(EventBody):
    """A branch was merged."""

    type: ClassVar[EventType] = EventType.MERGED

    branch: Annotated[str, "what was merged"]
    into: Annotated[str, "feature branch"]
    commit: Annotated[str, "merge commit on the remote's feature branch"]
    stripped: Annotated[Sequence[str] | None, "files whose changes were not merged"] = None


@dataclass(frozen=True, kw_only=True)
class TickedEvent(EventBody):
    """A box in tasks.md was ticked."""

    type: ClassVar[EventType] = EventType.TICKED

    line: Annotated[int, "line in tasks.md"]
    commit: Annotated[str, "commit on the remote's feature branch"]


@dataclass(frozen=True, kw_only=True)
class PublishedEvent(EventBody):
    """The user's work is on the feature branch."""

    type: ClassVar[EventType] = EventType.PUBLISHED

    branch: Annotated[str, "feature branch"]
    commit: Annotated[str, "its head on the remote"]
    files: Annotated[Sequence[str] | None, "files that were committed"] = None


@dataclass(frozen=True, kw_only=True)
class ContinueEvent(EventBody):
    """A limit of the call is reached; work goes on."""

    type: ClassVar[EventType] = EventType.CONTINUE

    cursor: Annotated[str, "value for --cursor"]
    hint: Annotated[str | None, "what to do, usually a command"] = None


@dataclass(frozen=True, kw_only=True)
class RowEvent(EventBody):
    """One attempt in the table of `status`."""

    type: ClassVar[EventType] = EventType.ROW

    state: Annotated[str, OneOf("running", "ended", "merged"), "running, or ended"]
    outcome: Annotated[Outcome | None, "how it ended"] = None
    code: Annotated[str | None, "stable name of what happened"] = None
    backend: Annotated[str | None, "where it runs"] = None
    where: Annotated[str | None, "the place"] = None
    branch: Annotated[str | None, "branch the attempt pushes"] = None
    tasks: Annotated[Sequence[str] | None, "ids of all tasks of the attempt, in order"] = None
    phase: Annotated[str | None, "where the attempt is or ended"] = None
    elapsed: Annotated[float | None, "seconds since its first event"] = None
    last: Annotated[str | None, "newest event, as text for people"] = None
    input_tokens: Annotated[int | None, "so far"] = None
    output_tokens: Annotated[int | None, "so far"] = None
    cost: Annotated[float | None, "so far, US dollars"] = None


@dataclass(frozen=True, kw_only=True)
class ReportEvent(EventBody):
    """A report was written."""

    type: ClassVar[EventType] = EventType.REPORT

    markdown: Annotated[str, "file with the run as Markdown"]
    timeline: Annotated[str, "file with its timeline (SVG)"]
    attempts: Annotated[int | None, "attempts in it"] = None
    input_tokens: Annotated[int | None, "of all attempts"] = None
    output_tokens: Annotated[int | None, "of all attempts"] = None
    cost: Annotated[float | None, "of all attempts, US dollars"] = None


@dataclass(frozen=True, kw_only=True)
class CheckEvent(EventBody):
    """One check of `doctor`."""

    type: ClassVar[EventType] = EventType.CHECK

    name: Annotated[str, "name of the check"]
    ok: Annotated[bool, "whether it passed"]
    message: Annotated[str, "one sentence for people"]
    hint: Annotated[str | None, "what to do, usually a command"] = None
    code: Annotated[str | None, "stable name of what happened"] = None


@dataclass(frozen=True, kw_only=True)
class SettingEvent(EventBody):
    """One setting in force."""

    type: ClassVar[EventType] = EventType.SETTING

    key: Annotated[str, "dotted name"]
    value: Annotated[object, "value in force"]
    source: Annotated[
        str,
        OneOf("flag", "environment", "user file", "repository file", "default"),
        "where it was set",
    ]


@dataclass(frozen=True, kw_only=True)
class InstalledEvent(EventBody):
    """Something was installed."""

    type: ClassVar[EventType] = EventType.INSTALLED

    what: Annotated[str, OneOf("file", "command", "permissions", "preset"), "what it is"]
    name: Annotated[str, "which one"]
    dry_run: Annotated[bool | None, "true: it would be installed"] = None


@dataclass(frozen=True, kw_only=True)
class RemovedEvent(EventBody):
    """Something was removed."""

    type: ClassVar[EventType] = EventType.REMOVED

    what: Annotated[
        str,
        OneOf("branch", "refs", "state", "file", "command", "permissions", "preset"),
        "what it is",
    ]
    name: Annotated[str, "which one"]
    dry_run: Annotated[bool | None, "true: it would be removed"] = None


@dataclass(frozen=True, kw_only=True)
class ErrorEvent(EventBody):
    """The call failed."""

    type: ClassVar[EventType] = EventType.ERROR

    code: Annotated[str, "stable name"]
    message: Annotated[str, "one sentence for people"]
    hint: Annotated[str | None, "what to do, usually a command"] = None
    line: Annotated[int | None, "line in the file that is wrong"] = None


@dataclass(frozen=True, kw_only=True)
class SummaryEvent(EventBody):
    """The last line of a command that does more than one thing."""

    type: ClassVar[EventType] = EventType.SUMMARY

    verb: Annotated[str, "command that ended"]
    verdict: Annotated[str, "one line for people and models"]
    ok: Annotated[bool, "whether the command succeeded"]
    exit: Annotated[int, "exit code of the verb"]
    counts: Annotated[object | None, "how many of each: object of integers"] = None
    next: Annotated[str | None, "command to run next"] = None


BODIES: Mapping[EventType, type[EventBody]] = {
    body.type: body for body in EventBody.__subclasses__() if body is not Envelope
}
"""The class of each type."""
