"""The JSON Schemas that scripts/generate writes: of events and of settings."""  # noqa: INP001

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sdlc_runner.config.loader import GREATEST, SCHEMA_KEY
from sdlc_runner.config.settings import SETTINGS, Setting
from sdlc_runner.events import types as events_types
from sdlc_runner.events.types import BODIES, EventType, Field, FieldKind, fields_of
from sdlc_runner.output.opencode_session import LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT = {"type": "string", "maxLength": events_types.TEXT_LIMIT}
KINDS: Mapping[FieldKind, dict[str, Any]] = {
    FieldKind.TEXT: TEXT,
    FieldKind.COUNT: {"type": "integer", "minimum": 0, "maximum": events_types.NUMBER_LIMIT},
    FieldKind.NUMBER: {"type": "number", "minimum": 0, "maximum": events_types.NUMBER_LIMIT},
    FieldKind.FLAG: {"type": "boolean"},
    FieldKind.TEXTS: {"type": "array", "items": TEXT},
    FieldKind.RECORDS: {"type": "array", "items": {"type": "object"}},
    FieldKind.ANY: {},
}
# What the envelope asks for beyond the kinds of its fields.
ENVELOPE_RULES: Mapping[str, dict[str, Any]] = {
    "v": {"const": events_types.VERSION},
    "seq": {"minimum": 1},
    "attempt": {"minimum": 1},
    "time": {"pattern": events_types.TIME_PATTERN, "maxLength": events_types.TIME_LENGTH},
}
SETTING_KINDS: Mapping[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "strings": {"type": "array", "items": {"type": "string"}},
}

COMPACT = (
    "the task, if it is about one, and what happened; a log's last lines as `TASK | text`; what to "
    "do behind `→`; the verdict in the last line."
)
COMPACT_LINE = {
    "description": f"What a verb prints in an OpenCode session instead of an event: {COMPACT}",
    "type": "string",
    "pattern": r"^[^\n]+$",
    "maxLength": LINE_BYTES,
}


def event_schema() -> str:
    """Return the JSON Schema that says the same as ``events.check``."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event of the Agentic SDLC Runner",
        "description": "One line of what any verb prints. Unknown keys are allowed and ignored.",
        **_object(events_types.ENVELOPE, ENVELOPE_RULES),
        "oneOf": [{"required": ["seq"]}, {"required": ["origin"]}],
        "allOf": [
            {
                "if": {"properties": {"type": {"const": type_.value}}},
                "then": {"$ref": f"#/$defs/{type_.value}"},
            }
            for type_ in EventType
        ],
        "$defs": {type_.value: _object(fields_of(BODIES[type_])) for type_ in EventType}
        | {"compact_line": COMPACT_LINE},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _object(
    fields: Mapping[str, Field], rules: Mapping[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name for name, field in fields.items() if field.required],
        "properties": {
            name: {**_value(field), **(rules or {}).get(name, {})} for name, field in fields.items()
        },
    }


def _value(field: Field) -> dict[str, Any]:
    rule = {"enum": list(field.values)} if field.values else KINDS[field.kind]
    return {"description": field.meaning, **rule}


def config_schema() -> str:
    """Return the JSON Schema that says the same as ``config.problem_with``."""
    properties: dict[str, Any] = {SCHEMA_KEY: {"type": "string"}}
    for setting in SETTINGS:
        group, dot, name = setting.key.partition(".")
        properties[setting.key] = rule = _setting_rule(setting)
        if dot:
            empty = {"type": "object", "additionalProperties": False, "properties": {}}
            properties.setdefault(group, empty)["properties"][name] = rule
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of the Agentic SDLC Runner",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _setting_rule(setting: Setting) -> dict[str, Any]:
    rule: dict[str, Any] = {"description": setting.described, "default": setting.default}
    rule |= SETTING_KINDS[setting.kind]
    if setting.choices:
        rule["enum"] = list(setting.choices)
    if setting.pattern:
        rule["pattern"] = setting.pattern
    if setting.minimum is not None:
        rule |= {"minimum": setting.minimum, "maximum": GREATEST}
    return rule
