"""``events.check`` and ``event.schema.json`` say the same of every record.

The one difference there is: JSON Schema cannot tell 1.0 from 1, and ``check`` refuses 1.0 as a
count. No writer of ours makes such a number, so none is generated here.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sdlc_runner.events.codec import AttemptKey, Event, check, parse
from sdlc_runner.events.types import (
    BODIES,
    ENVELOPE,
    FROM_ATTEMPT,
    NUMBER_LIMIT,
    TEXT_LIMIT,
    EventType,
    Field,
    FieldKind,
    fields_of,
)
from support import source_files

SCHEMA = json.loads((source_files.PACKAGE / "event.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
KEY = AttemptKey("001-demo", "T001", 1)
TIME = "2026-01-31T09:30:00.000Z"

Record = dict[str, Any]

# By map, as hypothesis now and then prints a strategy, and long texts would be in it.
long_texts = st.sampled_from(["x", "👍"]).map(lambda letter: letter * TEXT_LIMIT)
too_long = st.just("x").map(lambda letter: letter * (TEXT_LIMIT + 1))
texts = st.text(max_size=12) | st.just("") | long_texts
counts = st.integers(0, NUMBER_LIMIT) | st.sampled_from([0, 1, NUMBER_LIMIT])
fractions = st.floats(0, 1e9, exclude_min=True).filter(lambda number: not number.is_integer())
records = st.lists(st.dictionaries(st.text(max_size=4), texts | counts | st.none(), max_size=2))
anything = st.recursive(
    st.none() | st.booleans() | counts | fractions | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
near_misses = (
    anything
    | too_long
    | too_long.map(lambda text: [text])
    | st.sampled_from(
        [
            *(-1, 2, NUMBER_LIMIT + 1, 10**30, -0.5, NUMBER_LIMIT + 0.5e9 + 0.5, 1e300),
            *("client", "log", "succeeded", "running", "ASYNC"),
            *(TIME, TIME + "\n", TIME.lower(), "2026-01-31T09:30:00Z", TIME.replace("0", "\u0660")),
            *([""], [1], [{}], [[]], [None], {}),
        ]
    )
)
KINDS: dict[FieldKind, st.SearchStrategy[Any]] = {
    FieldKind.TEXT: texts,
    FieldKind.COUNT: counts,
    FieldKind.NUMBER: counts | fractions,
    FieldKind.FLAG: st.booleans(),
    FieldKind.TEXTS: st.lists(texts, max_size=3),
    FieldKind.RECORDS: records,
    FieldKind.ANY: anything,
}


def values(field: Field) -> st.SearchStrategy[Any]:
    return st.sampled_from(field.values) if field.values else KINDS[field.kind]


@cache
def valid_records(type_: EventType) -> st.SearchStrategy[Record]:
    fields = fields_of(BODIES[type_])
    body = st.fixed_dictionaries(
        {name: values(field) for name, field in fields.items() if field.required},
        optional={name: values(field) for name, field in fields.items() if not field.required},
    )
    source = st.sampled_from([{"seq": 1}, {"seq": NUMBER_LIMIT}, {"origin": "client"}])
    named = st.sampled_from([{}, {"feature": "f"}, {"feature": "f", "task": "T001", "attempt": 1}])
    envelope = {"v": 1, "time": TIME, "type": type_.value}
    return st.builds(lambda *parts: envelope | parts[0] | parts[1] | parts[2], source, named, body)


def mutated(record: Record) -> st.SearchStrategy[Record]:
    """One to three keys changed, dropped or added: nearly right, and sometimes still right."""
    names = st.sampled_from([*ENVELOPE, *record, "stranger"])
    changes = st.dictionaries(names, near_misses | st.just(...), min_size=1, max_size=3)
    return changes.map(
        lambda made: {name: each for name, each in {**record, **made}.items() if each is not ...}
    )


def agree(record: Record) -> bool:
    """Whether both say yes; an assertion fails if they differ."""
    wrong = check(record)
    assert VALIDATOR.is_valid(record) == (wrong is None), wrong
    return wrong is None


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("type_", EventType)
@settings(max_examples=25)
@given(draw=st.data())
def test_both_accept_every_valid_record(type_: EventType, draw: st.DataObject) -> None:
    assert agree(draw.draw(valid_records(type_)))


@pytest.mark.parametrize("type_", EventType)
@settings(max_examples=60)
@given(draw=st.data())
def test_both_say_the_same_of_near_misses(type_: EventType, draw: st.DataObject) -> None:
    agree(draw.draw(valid_records(type_).flatmap(mutated)))


@settings(max_examples=60)
@given(record=st.dictionaries(st.sampled_from([*ENVELOPE, "text"]), near_misses))
def test_both_say_the_same_of_anything(record: Record) -> None:
    agree(record)


EXAMPLES: dict[FieldKind, Any] = {
    FieldKind.TEXT: "text",
    FieldKind.COUNT: 1,
    FieldKind.NUMBER: 0.5,
    FieldKind.FLAG: True,
    FieldKind.TEXTS: ["a", "b"],
    FieldKind.RECORDS: [{"task": "T001", "exit": 0}],
    FieldKind.ANY: {"a": [1]},
}


@pytest.mark.parametrize("type_", EventType)
def test_every_type_has_an_example_that_round_trips(type_: EventType) -> None:
    fields = {
        name: field.values[0] if field.values else EXAMPLES[field.kind]
        for name, field in fields_of(BODIES[type_]).items()
    }
    event = Event(type_, TIME, fields, KEY, 3)
    assert agree(event.to_record())
    assert json.loads(event.to_line()) == event.to_record()
    assert parse(event.to_line(), KEY) == (event if type_ in FROM_ATTEMPT else None)


def test_the_one_difference() -> None:
    record = Event(EventType.QUEUED, TIME, {"reason": "full"}, KEY, 3).to_record()
    assert VALIDATOR.is_valid({**record, "seq": 3.0})
    assert check({**record, "seq": 3.0}) == "seq has a wrong value"
