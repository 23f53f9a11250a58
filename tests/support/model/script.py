"""The rules of a scripted model as JSON, for a server in another place."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from support.model.request import Exchange, Request
from support.model.server import Call, Rule, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def dumps(rules: Iterable[Rule]) -> bytes:
    """Return rules as JSON; raises ``TypeError`` for one that holds a function."""
    return json.dumps([_record(rule) for rule in rules]).encode()


def loads(text: bytes) -> tuple[Rule, ...]:
    """Read what ``dumps`` wrote."""
    return tuple(
        Rule(record["match"], tuple(map(_turn, record["turns"]))) for record in json.loads(text)
    )


def loads_requests(text: bytes) -> list[Request]:
    """Read what a server was asked, written as a list of records."""
    records = json.loads(text)
    for record in records:
        record |= {name: tuple(record[name]) for name in ("results", "tools")}
        record["exchanges"] = tuple(Exchange(**each) for each in record["exchanges"])
    return [Request(**record) for record in records]


def _record(rule: Rule) -> dict[str, Any]:
    if callable(rule.match) or any(callable(turn) for turn in rule.turns):
        raise TypeError("a rule for another place is text and turns, no function")
    turns = [asdict(turn) for turn in rule.turns if isinstance(turn, Turn)]
    for turn in turns:
        turn["body"] = None if turn["body"] is None else turn["body"].decode("latin-1")
    return {"match": rule.match, "turns": turns}


def _turn(record: Mapping[str, Any]) -> Turn:
    body = record["body"]
    return Turn(
        **{
            **record,
            "calls": tuple(Call(**call) for call in record["calls"]),
            "body": None if body is None else body.encode("latin-1"),
        }
    )
