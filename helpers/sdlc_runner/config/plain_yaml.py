"""The plainest of YAML without PyYAML, whose import takes as long as a whole plan.

Answers only where there is nothing to interpret: ``key: value`` lines, one level of groups, whole
numbers, decimals, true, false and bare words. Everything else is None, and PyYAML's to read. A
property test proves that both say the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Leaf = tuple[str, object, int]

_LINE = re.compile(r"( *)([a-z_]+):(?: +([\w./-]+))? *\Z", re.ASCII)
_SKIPPED = re.compile(r" *(?:#[ -~]*)?\Z")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,14}")
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,14})\.[0-9]{1,9}")
_WORD = re.compile(r"[A-Za-z][\w/-]*")
# Words that YAML 1.1 reads as something else.
_NO_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def leaves(text: str, groups: frozenset[str]) -> list[Leaf] | None:
    """Return (dotted key, value, line) of each leaf, or None where PyYAML must look."""
    found: list[Leaf] = []
    try:
        for leaf in _read(text, groups):
            if any(leaf[0] == earlier[0] for earlier in found):
                return None
            found.append(leaf)
    except ValueError:
        return None
    return found


def _read(text: str, groups: frozenset[str]) -> Iterator[Leaf]:
    group, indent, seen = "", "", set()
    waiting = False  # for the first line of a group
    for number, line in enumerate(text.split("\n"), start=1):
        if _SKIPPED.match(line):
            continue
        match = _LINE.match(line)
        if match is None:
            raise ValueError(line)
        space, key, value = match.groups()
        if not space:
            if waiting or key in seen or (value is None) != (key in groups):
                raise ValueError(line)
            seen.add(key)
            group, indent, waiting = key, "", value is None
            if value is not None:
                yield key, _value(value), number
            continue
        if group not in groups or value is None or (indent and space != indent):
            raise ValueError(line)
        indent, waiting = space, False
        yield f"{group}.{key}", _value(value), number
    if waiting:
        raise ValueError(group)


def _value(text: str) -> object:
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if text in {"true", "false"}:
        return text == "true"
    if _WORD.fullmatch(text) and text.lower() not in _NO_WORDS:
        return text
    raise ValueError(text)
