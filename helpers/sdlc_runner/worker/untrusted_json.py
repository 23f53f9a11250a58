"""JSON of somebody else, taken apart without ever raising."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def parse_json(data: bytes | str) -> Any:  # noqa: ANN401
    """Return what a text means; None if it is no JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return an object as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def as_text(value: object) -> str:
    """Return a string as it is, and anything else as an empty one."""
    return value if isinstance(value, str) else ""


def as_list(value: object) -> list[Any]:
    """Return an array as it is, and anything else as an empty one."""
    return value if isinstance(value, list) else []
