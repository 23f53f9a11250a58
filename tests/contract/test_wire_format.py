"""The wire format, written down a second time by hand: a change of shape cannot pass unnoticed.

If this test fails, consumers of events break. Keys and types may be added: then add them here,
too. Nothing that stands here may be removed or change its meaning while ``v`` is 1.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from support import source_files

# "key!" is required; what it holds is a kind, or its possible values between bars.
ENVELOPE = {
    "v!": "1",
    "seq": "count from 1",
    "time!": "time",
    "feature": "text",
    "task": "text",
    "attempt": "count from 1",
    "type!": "type",
    "origin": "client",
    "refilled": "flag",
}

PHASES = "pending | pulling | starting | cloning | working | verifying | committing | pushing"
OUTCOMES = (
    "succeeded | no_change | failed | push_failed | conflict | timed_out | idle | "
    "budget_exceeded | cancelled | interrupted | rejected | lost | unverified"
)

TYPES = {
    "phase": {
        "phase!": PHASES,
        "detail": "text",
        "context_bytes": "count",
    },
    "log": {
        "text!": "text",
        "stream": "stdout | stderr | wrapper",
    },
    "message": {
        "text!": "text",
    },
    "tool": {
        "name!": "text",
        "target": "text",
        "status!": "running | completed | error",
        "duration": "number",
    },
    "usage": {
        "input_tokens!": "count",
        "output_tokens!": "count",
        "cache_tokens": "count",
        "cost": "number",
    },
    "heartbeat": {
        "since!": "text",
        "idle!": "number",
        "last_tool": "text",
    },
    "warning": {
        "code!": "text",
        "message!": "text",
        "hint": "text",
        "line": "count",
    },
    "checkpoint": {
        "ref!": "text",
        "commit!": "text",
        "reason!": "interval | signal | limit | failure",
    },
    "result": {
        "status!": OUTCOMES,
        "code": "text",
        "message": "text",
        "base": "text",
        "head": "text",
        "branch": "text",
        "tasks": "records",
        "evidence": "records",
        "input_tokens": "count",
        "output_tokens": "count",
        "cost": "number",
        "duration": "number",
    },
    "planned": {
        "disposition!": "done | sync | ready | waiting | blocked | manual | invalid",
        "reason!": "text",
        "line!": "count",
        "mode!": "SYNC | ASYNC",
        "title": "text",
        "phase": "text",
        "story": "text",
        "wave": "count",
        "bundle": "text",
        "files": "texts",
        "waits_for": "texts",
        "warnings": "texts",
    },
    "spawned": {
        "backend!": "text",
        "where!": "text",
        "branch": "text",
        "base": "text",
        "tasks": "texts",
    },
    "attached": {
        "backend!": "text",
        "where!": "text",
        "branch": "text",
        "base": "text",
        "tasks": "texts",
        "url": "text",
        "session": "text",
        "hint": "text",
    },
    "sent": {
        "session!": "text",
        "bytes!": "count",
    },
    "queued": {
        "reason!": "text",
    },
    "gap": {
        "from!": "count",
        "to!": "count",
        "recovered!": "flag",
    },
    "outcome": {
        "outcome!": OUTCOMES,
        "code!": "text",
        "message!": "text",
        "hint": "text",
        "branch": "text",
        "base": "text",
        "head": "text",
        "bundle": "text",
        "checkpoint": "text",
        "input_tokens": "count",
        "output_tokens": "count",
        "cost": "number",
        "duration": "number",
        "excerpt": "texts",
    },
    "conflict": {
        "branch!": "text",
        "files!": "texts",
        "message!": "text",
        "hint": "text",
    },
    "merged": {
        "branch!": "text",
        "into!": "text",
        "commit!": "text",
        "stripped": "texts",
    },
    "ticked": {
        "line!": "count",
        "commit!": "text",
    },
    "published": {
        "branch!": "text",
        "commit!": "text",
        "files": "texts",
    },
    "continue": {
        "cursor!": "text",
        "hint": "text",
    },
    "row": {
        "state!": "running | ended | merged",
        "phase": "text",
        "outcome": OUTCOMES,
        "code": "text",
        "backend": "text",
        "where": "text",
        "branch": "text",
        "tasks": "texts",
        "elapsed": "number",
        "last": "text",
        "input_tokens": "count",
        "output_tokens": "count",
        "cost": "number",
    },
    "report": {
        "markdown!": "text",
        "timeline!": "text",
        "attempts": "count",
        "input_tokens": "count",
        "output_tokens": "count",
        "cost": "number",
    },
    "check": {
        "name!": "text",
        "ok!": "flag",
        "message!": "text",
        "hint": "text",
        "code": "text",
    },
    "setting": {
        "key!": "text",
        "value!": "any",
        "source!": "flag | environment | user file | repository file | default",
    },
    "installed": {
        "what!": "file | command | permissions | preset",
        "name!": "text",
        "dry_run": "flag",
    },
    "removed": {
        "what!": "branch | refs | state | file | command | permissions | preset",
        "name!": "text",
        "dry_run": "flag",
    },
    "error": {
        "code!": "text",
        "message!": "text",
        "hint": "text",
        "line": "count",
    },
    "summary": {
        "verb!": "text",
        "verdict!": "text",
        "ok!": "flag",
        "exit!": "count",
        "counts": "any",
        "next": "text",
    },
}

KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "maxLength": 4000},
    "count": {"type": "integer", "minimum": 0, "maximum": 9007199254740991},
    "count from 1": {"type": "integer", "minimum": 1, "maximum": 9007199254740991},
    "number": {"type": "number", "minimum": 0, "maximum": 9007199254740991},
    "flag": {"type": "boolean"},
    "texts": {"type": "array", "items": {"type": "string", "maxLength": 4000}},
    "records": {"type": "array", "items": {"type": "object"}},
    "any": {},
    "1": {"type": "integer", "minimum": 0, "maximum": 9007199254740991, "const": 1},
    "time": {
        "type": "string",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$",
        "maxLength": 24,
    },
    "type": {"enum": list(TYPES)},
}

SCHEMA: dict[str, Any] = json.loads(
    (source_files.PACKAGE / "event.schema.json").read_text(encoding="utf-8")
)


def shape(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schema of an object in the form of the tables above."""
    assert set(schema["required"]) <= set(schema["properties"])
    return {
        name + "!" * (name in schema["required"]): {
            rule: value for rule, value in rules.items() if rule != "description"
        }
        for name, rules in schema["properties"].items()
    }


def spelled_out(table: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {name: KINDS.get(held, {"enum": held.split(" | ")}) for name, held in table.items()}


def test_the_envelope() -> None:
    assert shape(SCHEMA) == spelled_out(ENVELOPE)
    assert list(SCHEMA["properties"]) == [name.rstrip("!") for name in ENVELOPE]
    assert SCHEMA["oneOf"] == [{"required": ["seq"]}, {"required": ["origin"]}]


def test_no_type_comes_or_goes_unnoticed() -> None:
    assert list(SCHEMA["$defs"]) == [*TYPES, "compact_line"]
    assert SCHEMA["allOf"] == [
        {"if": {"properties": {"type": {"const": name}}}, "then": {"$ref": f"#/$defs/{name}"}}
        for name in TYPES
    ]


@pytest.mark.parametrize("name", TYPES)
def test_type(name: str) -> None:
    assert shape(SCHEMA["$defs"][name]) == spelled_out(TYPES[name])


def test_unknown_keys_are_allowed() -> None:
    closed = [name for name, rules in SCHEMA["$defs"].items() if "additionalProperties" in rules]
    assert not closed
    assert not {"additionalProperties", "unevaluatedProperties"} & set(SCHEMA)
