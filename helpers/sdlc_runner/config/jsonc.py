"""JSON with comments and trailing commas, read with the place of each value.

The places serve errors that name a line, and edits that leave every other byte as it is.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_WORD = re.compile(r"[-+.\w]+")
_SCALAR = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
_UNPRINTABLE = re.compile("[\x00\ud800-\udfff]")


class JsoncError(ValueError):
    """The text is not JSON with comments; says on which line, and why where that is known."""

    def __init__(self, line: int, problem: str = "") -> None:
        super().__init__(f"line {line} is not JSON{problem and f': {problem}'}")
        self.line = line
        self.problem = problem


class Member(NamedTuple):
    """One key of an object, where it begins, and its value."""

    key: str
    start: int
    value: Node


class Node(NamedTuple):
    """A value and its place: ``text`` of a string, ``members`` of an object, ``items``."""

    start: int
    end: int
    text: str | None = None
    members: tuple[Member, ...] | None = None
    items: tuple[Node, ...] | None = None
    comma: int | None = None  # behind an object's trailing comma

    def get(self, key: str) -> Node | None:
        """Return the value of a key; where it is there twice, the last, as JSON does."""
        found = [member.value for member in self.members or () if member.key == key]
        return found[-1] if found else None


def parse(text: str) -> Node:
    """Read a whole file; raises ``JsoncError``."""
    begin = _skip(text, text.startswith("\ufeff"))
    try:
        node, at = _value(text, begin)
    except RecursionError:
        raise JsoncError(line_of(text, begin), "it is nested too deeply") from None
    if at != len(text):
        raise _wrong(text, at, "nothing may follow the value")
    return node


def is_empty(text: str) -> bool:
    """Whether there is nothing but space and comments."""
    return _skip(text, text.startswith("\ufeff")) == len(text)


def line_of(text: str, at: int) -> int:
    """Return the line of a place, from 1 on."""
    return text.count("\n", 0, at) + 1


def value(text: str, node: Node) -> object:
    """Return a value as ``json.loads`` would; raises ``JsoncError`` for what JSON has not."""
    if node.text is not None:
        if _UNPRINTABLE.search(node.text):
            raise _wrong(text, node.start, "a string has a character that is not allowed")
        return node.text
    if node.items is not None:
        return [value(text, item) for item in node.items]
    if node.members is not None:
        return {member.key: value(text, member.value) for member in node.members}
    word = text[node.start : node.end]
    if not _SCALAR.fullmatch(word):
        raise _wrong(text, node.start, f"{word[:40]} needs double quotes, if it is a string")
    try:
        return json.loads(word)
    except ValueError:  # Python takes no integer of more than 4300 digits
        raise _wrong(text, node.start, "the number is too long") from None


def leaves(text: str, node: Node, groups: frozenset[str]) -> Iterator[tuple[str, Node, int]]:
    """Yield dotted key, value and line of each member; those of ``groups`` are objects.

    Raises ``JsoncError`` for a key that is there twice, and for what should be an object.
    """
    for member in _once(text, node):
        if member.key not in groups:
            yield member.key, member.value, line_of(text, member.start)
            continue
        for inner in _once(text, member.value):
            yield f"{member.key}.{inner.key}", inner.value, line_of(text, inner.start)


def _once(text: str, node: Node) -> Iterator[Member]:
    if node.members is None:
        raise _wrong(text, node.start, "an object in braces is expected here")
    seen: dict[str, int] = {}
    for member in node.members:
        line = line_of(text, member.start)
        if member.key in seen:
            raise JsoncError(line, f"{member.key} is already on line {seen[member.key]}")
        seen[member.key] = line
        yield member


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _wrong(text: str, at: int, problem: str) -> JsoncError:
    if at >= len(text):
        at, problem = len(text.rstrip()), "the file ends too early"
    return JsoncError(line_of(text, at), problem)


def _value(text: str, at: int) -> tuple[Node, int]:
    """Read the value at a place; also return where the next thing begins."""
    if text.startswith("{", at):
        node = _object(text, at)
    elif text.startswith("[", at):
        node = _array(text, at)
    elif text.startswith('"', at):
        node = _string(text, at)
    else:
        match = _WORD.match(text, at)
        if match is None:
            raise _wrong(text, at, "a value is expected here")
        node = Node(at, match.end())
    return node, _skip(text, node.end)


def _string(text: str, at: int) -> Node:
    match = _STRING.match(text, at)
    if match is None:
        raise _wrong(text, at, "a string in double quotes is expected here")
    try:
        return Node(at, match.end(), json.loads(match[0], strict=False))
    except ValueError:
        raise _wrong(text, at, "a string has a wrong escape") from None


def _object(text: str, start: int) -> Node:
    members: list[Member] = []
    comma = None
    at = _skip(text, start + 1)
    while not text.startswith("}", at):
        if members and comma is None:
            raise _wrong(text, at, "a comma is missing before this")
        key = _string(text, at)
        colon = _skip(text, key.end)
        if not text.startswith(":", colon):
            raise _wrong(text, colon, "a colon is missing behind the key")
        node, at = _value(text, _skip(text, colon + 1))
        members.append(Member(key.text or "", key.start, node))
        comma = at + 1 if text.startswith(",", at) else None
        at = at if comma is None else _skip(text, comma)
    return Node(start, at + 1, members=tuple(members), comma=comma)


def _array(text: str, start: int) -> Node:
    items: list[Node] = []
    at = _skip(text, start + 1)
    comma = True
    while not text.startswith("]", at):
        if not comma:
            raise _wrong(text, at, "a comma is missing before this")
        node, at = _value(text, at)
        items.append(node)
        comma = text.startswith(",", at)
        at = _skip(text, at + 1) if comma else at
    return Node(start, at + 1, items=tuple(items))
