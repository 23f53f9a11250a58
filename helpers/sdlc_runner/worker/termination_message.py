"""The attempt's last word, in the container's termination message: small, and always JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sdlc_runner.events.codec import clean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIMIT = 4096
"""Bytes that Kubernetes keeps of a termination message."""
_LENGTHS = {"status": 40, "code": 60, "message": 400, "base": 64, "head": 64, "branch": 255}
"""Characters kept of each text: together they fit, whatever alphabet they are written in."""
_TASK_LENGTHS = {"task": 60, "status": 40, "code": 60, "commit": 64, "hint": 200}


def write(path: Path, seq: int, result: Mapping[str, Any]) -> None:
    """Write the claim; raises ``OSError`` if the file cannot be written."""
    path.write_text(text(seq, result), encoding="utf-8")


def text(seq: int, result: Mapping[str, Any]) -> str:
    """Return the claim of a ``result``'s fields; ``seq`` is the number of the last event."""
    claim: dict[str, Any] = {"seq": seq, **_cut(result, _LENGTHS)}
    tasks = [_cut(task, _TASK_LENGTHS) for task in result.get("tasks", ())]
    whole = _line({**claim, "tasks": tasks})
    return whole if len(whole.encode()) <= LIMIT else _line(claim)


def _cut(record: Mapping[str, Any], lengths: Mapping[str, int]) -> dict[str, str]:
    known = {name: record.get(name) for name in lengths}
    return {name: clean(str(value), lengths[name]) for name, value in known.items() if value}


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))
