"""Events: making them, writing them as lines, and reading lines that may be hostile.

``check`` is ``event.schema.json`` as code; a property test proves them equal.
A line that is not exactly an event of the attempt it came from is a ``log``, never an error.
"""

from __future__ import annotations

import json
import math
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.events.types import (
    BODIES,
    ENVELOPE,
    FROM_ATTEMPT,
    LINE_LIMIT,
    NUMBER_LIMIT,
    TEXT_LIMIT,
    TIME_LENGTH,
    TIME_PATTERN,
    VERSION,
    EventBody,
    EventType,
    Field,
    FieldKind,
    fields_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_CONTROL = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BREAKS = re.compile("[\r\n\t\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_TIME = re.compile(TIME_PATTERN)
_DEPTH_LIMIT = 8


class AttemptKey(NamedTuple):
    """Names one attempt: feature ``001-demo``, task ``T001``, and a number from 1 on."""

    feature: str
    task: str
    number: int

    def __str__(self) -> str:
        """Write it as people and cursors do: ``T001-1``."""
        return f"{self.task}-{self.number}"


class Event(NamedTuple):
    """One event; ``fields`` holds what its type adds to the envelope."""

    type: EventType
    time: str
    fields: Mapping[str, Any]
    key: AttemptKey | None = None
    seq: int | None = None

    def to_record(self) -> dict[str, Any]:
        """Return the wire form, its first keys in the documented order, unknowns absent."""
        record: dict[str, Any] = {"v": VERSION}
        if self.seq is not None:
            record["seq"] = self.seq
        record["time"] = self.time
        if self.key is not None:
            record["feature"] = self.key.feature
            if self.key.task:
                record["task"] = self.key.task
            if self.key.number:
                record["attempt"] = self.key.number
        record["type"] = self.type.value
        if self.seq is None:
            record["origin"] = "client"
        record.update((name, value) for name, value in self.fields.items() if value is not None)
        return record

    def to_line(self) -> str:
        """Return one JSON line, without its newline."""
        return json.dumps(self.to_record(), ensure_ascii=False, separators=(",", ":"))


def now() -> str:
    """Return the time as events write it: RFC 3339, UTC, milliseconds."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{milliseconds:03}Z"


def seconds(time_text: str) -> float | None:
    """Return an event's time in seconds of the epoch; None if there is no such moment."""
    from datetime import datetime  # noqa: PLC0415 - keeps it out of start-up

    try:
        return datetime.fromisoformat(time_text.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return None


def client_event(body: EventBody, key: AttemptKey | None = None) -> Event:
    """Make an event of the client's own: no ``seq``, texts cleaned and bounded."""
    fields = {name: _clean_value(value) for name, value in body.to_fields().items()}
    return Event(body.type, now(), fields, key)


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Make hostile text one safe line: no control or ANSI sequences, bounded to ``limit``."""
    text = _BREAKS.sub(" ", _CONTROL.sub("", text[: limit * 4]))
    text = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates cannot be written
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _clean_value(value: Any, depth: int = 0) -> Any:  # noqa: ANN401
    if depth > _DEPTH_LIMIT:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return value if value.isprintable() and len(value) <= TEXT_LIMIT else clean(value)
    if isinstance(value, (list, tuple)):
        return [_clean_value(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {
            clean(str(name), 200): _clean_value(item, depth + 1) for name, item in value.items()
        }
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number too large for JSON")
    return value


def parse(line: bytes | str, key: AttemptKey) -> Event | None:
    """Read one line from the attempt ``key``; None if it is anything but one of its events."""
    if len(line) > LINE_LIMIT:
        return None
    try:
        record = _DECODER.decode(line if isinstance(line, str) else line.decode("utf-8"))
        if not _is_event_of(record, key):
            return None
        fields = {n: _clean_value(value) for n, value in record.items() if n not in ENVELOPE}
    except (ValueError, RecursionError):
        return None
    return Event(_TYPES[record["type"]], record["time"], fields, key, record["seq"])


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _is_event_of(record: object, key: AttemptKey) -> bool:
    if type(record) is not dict or check(record) is not None or "seq" not in record:
        return False
    if not all(map(str.isprintable, record)):  # cleaned, such a key could become another one
        return False
    named = (record.get("feature"), record.get("task"), record.get("attempt"))
    return named == (key.feature, key.task, key.number) and record["type"] in _FROM_ATTEMPT


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= NUMBER_LIMIT


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= NUMBER_LIMIT  # type: ignore[operator]


def _is_text(value: object) -> bool:
    return type(value) is str and len(value) <= TEXT_LIMIT


def _is_texts(value: object) -> bool:
    return type(value) is list and all(map(_is_text, value))


def _is_records(value: object) -> bool:
    return type(value) is list and all(type(item) is dict for item in value)


_PREDICATES: Mapping[FieldKind, Callable[[object], bool]] = {
    FieldKind.TEXT: _is_text,
    FieldKind.COUNT: _is_count,
    FieldKind.NUMBER: _is_number,
    FieldKind.FLAG: lambda value: type(value) is bool,
    FieldKind.TEXTS: _is_texts,
    FieldKind.RECORDS: _is_records,
    FieldKind.ANY: lambda _: True,
}
_TYPES = {member.value: member for member in EventType}
_FROM_ATTEMPT = frozenset(member.value for member in FROM_ATTEMPT)


def _compile(fields: Mapping[str, Field]) -> dict[str, Callable[[object], bool]]:
    """Return one predicate for each key."""

    def predicate(spec: Field) -> Callable[[object], bool]:
        if spec.values:
            allowed = frozenset(spec.values)
            return lambda value: type(value) is str and value in allowed
        return _PREDICATES[spec.kind]

    return {name: predicate(spec) for name, spec in fields.items()}


_CHECKS: dict[str, dict[str, Callable[[object], bool]]] = {}
_REQUIRED: dict[str, tuple[str, ...]] = {}


def _compile_all() -> None:
    """Fill both when the first line is read: a process that only writes events needs neither."""
    whole = {body.type.value: {**ENVELOPE, **fields_of(body)} for body in BODIES.values()}
    for type_, fields in whole.items():
        _REQUIRED[type_] = tuple(name for name, spec in fields.items() if spec.required)
    _CHECKS.update({type_: _compile(fields) for type_, fields in whole.items()})


def check(record: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a record as an event, or None; unknown keys are allowed."""
    if not _CHECKS:
        _compile_all()
    type_ = record.get("type")
    checks = _CHECKS.get(type_) if type(type_) is str else None
    if checks is None:
        return "type is unknown"
    for name in _REQUIRED[type_]:  # type: ignore[index]
        if name not in record:
            return f"{name} is missing"
    for name, value in record.items():
        predicate = checks.get(name)
        if predicate is not None and not predicate(value):
            return f"{name} has a wrong value"
    return _check_envelope(record)


def _check_envelope(record: Mapping[str, Any]) -> str | None:
    if record["v"] != VERSION:
        return "v is another version"
    if len(record["time"]) != TIME_LENGTH or not _TIME.match(record["time"]):
        return "time is not RFC 3339 in UTC with milliseconds"
    if ("seq" in record) == ("origin" in record):
        return "an event has either seq or origin"
    if record.get("seq") == 0 or record.get("attempt") == 0:
        return "seq and attempt count from 1"
    return None
