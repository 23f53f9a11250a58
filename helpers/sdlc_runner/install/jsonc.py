"""JSON with comments, read only to know where things are: so that a text can be added to one.

Nothing is ever written anew from what was read; every byte of the file stays as it is.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_WORD = re.compile(r"[-+.\w]+")


class Member(NamedTuple):
    """One key of an object, where it begins, and its value."""

    key: str
    start: int
    value: Node


class Node(NamedTuple):
    """A value and its place: ``text`` of a string, ``members`` of an object."""

    start: int
    end: int
    text: str | None = None
    members: tuple[Member, ...] | None = None
    comma: int | None = None  # behind an object's trailing comma

    def get(self, key: str) -> Node | None:
        """Return the value that counts: of keys that stand twice, JSON takes the last."""
        found = [member.value for member in self.members or () if member.key == key]
        return found[-1] if found else None


def parse(text: str) -> Node:
    """Read a whole file; raises ``ValueError`` with the line where it is not JSON."""
    try:
        node, at = _value(text, _skip(text, text.startswith("\ufeff")))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if at != len(text):
        raise _wrong(text, at)
    return node


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _wrong(text: str, at: int) -> ValueError:
    return ValueError(f"line {text.count(chr(10), 0, at) + 1} is not JSON")


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
            raise _wrong(text, at)
        node = Node(at, match.end())
    return node, _skip(text, node.end)


def _string(text: str, at: int) -> Node:
    match = _STRING.match(text, at)
    if match is None:
        raise _wrong(text, at)
    return Node(at, match.end(), json.loads(match[0], strict=False))


def _object(text: str, start: int) -> Node:
    members: list[Member] = []
    comma = None
    at = _skip(text, start + 1)
    while not text.startswith("}", at):
        if members and comma is None:
            raise _wrong(text, at)
        key = _string(text, at)
        colon = _skip(text, key.end)
        if not text.startswith(":", colon):
            raise _wrong(text, colon)
        value, at = _value(text, _skip(text, colon + 1))
        members.append(Member(key.text or "", key.start, value))
        comma = at + 1 if text.startswith(",", at) else None
        at = at if comma is None else _skip(text, comma)
    return Node(start, at + 1, None, tuple(members), comma)


def _array(text: str, start: int) -> Node:
    at = _skip(text, start + 1)
    first, comma = True, False
    while not text.startswith("]", at):
        if not (first or comma):
            raise _wrong(text, at)
        _, at = _value(text, at)
        first, comma = False, text.startswith(",", at)
        at = _skip(text, at + 1) if comma else at
    return Node(start, at + 1)
