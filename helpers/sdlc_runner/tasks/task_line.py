"""Task ids as people write them, and the grammar of one task line."""

from __future__ import annotations

import re
from typing import NamedTuple

from sdlc_runner.tasks.markdown import BULLET

# Digits are bounded: int() refuses very long ones, and no plan has a billion tasks.
PATTERN = r"(?:[Tt]|[A-Za-z]{1,15}-)[0-9]{1,9}[A-Za-z]?(?![A-Za-z0-9_])"
DASH = r"(?:\.{2,3}|[-\u2010-\u2015\u2212\u2026~])"
RANGE_WORD = r"(?:to|through|thru)"

_PARTS = re.compile(r"([A-Za-z]{1,15}-?)([0-9]{1,9})([A-Za-z]?)\Z")


class IdKey(NamedTuple):
    """How ids are compared: by prefix, then number, then suffix, whatever their case."""

    prefix: str
    number: int
    suffix: str


def canonical(word: str) -> str:
    """Return the id with its prefix in upper case and the rest as written."""
    match = _PARTS.match(word)
    return match[1].upper() + match[2] + match[3] if match else word


def key(task_id: str) -> IdKey:
    """Return what the id is compared by; a word that is no id sorts by itself."""
    match = _PARTS.match(task_id)
    if match is None:
        return IdKey(task_id.upper(), 0, "")
    return IdKey(match[1].upper(), int(match[2]), match[3].lower())


def spread(first: str, last: str, limit: int = 100) -> tuple[str, ...]:
    """Name every id from ``first`` to ``last``; only the two where they make no plain range."""
    low, high = key(first), key(last)
    plain = low.prefix == high.prefix and not low.suffix and not high.suffix
    if not plain or not low.number < high.number <= low.number + limit:
        return (first, last)
    width = len(first) - len(low.prefix)
    numbers = range(low.number, high.number + 1)
    return tuple(f"{low.prefix}{number:0{width}d}" for number in numbers)


TITLE_LIMIT = 200

_BOX = re.compile(rf"\s*{BULLET}\s+\[([^\n])\](?=\s)")
_BULLET = re.compile(rf"\s*{BULLET}\s")
_STRUCK = re.compile(rf"[*_\s]{{0,8}}~~[*_\s]{{0,8}}({PATTERN})")
_ID = re.compile(PATTERN)
_NEXT_ID = re.compile(rf"\s{{0,3}}(/|{DASH})\s{{0,3}}({PATTERN})")
_BRACKET = re.compile(r"\[([^\[\]\n]{1,60})\](?!\()")
_STORY = re.compile(r"US-?([0-9]{1,4})\Z", re.IGNORECASE)
_SEPARATORS = re.compile(r"[:.,]?\s*(?:[-\u2013\u2014:]\s)?")


class Head:
    """What the first line of a task says of it; without an id the line is no task."""

    def __init__(self, column: int, box: str, rest: str) -> None:
        """Begin with these."""
        self.column = column
        self.box = box
        self.rest = rest
        self.id = ""
        self.aliases: tuple[str, ...] = ()
        self.modes: set[str] = set()
        self.parallel = False
        self.story: str | None = None
        self.title = ""
        self.removed = False


def parse(line: str) -> Head | None:
    """Return what a checkbox line says, or None for a line without a checkbox."""
    match = _BOX.match(line)
    if match is None:
        return None
    head = Head(match.start(1), match[1], line[match.end() :].strip())
    struck = _STRUCK.match(head.rest)
    if struck is not None:
        head.id, head.removed = canonical(struck[1]), True
        return head
    head.title = _read_markers(head)
    head.removed = len(head.title) > 4 and head.title.startswith("~~") and _all_struck(head.title)  # noqa: PLR2004 - two pairs of tildes
    return head


def is_bullet(line: str) -> bool:
    """Say whether the line begins a list item."""
    return _BULLET.match(line) is not None


def _all_struck(title: str) -> bool:
    return title.endswith("~~") and "~~" not in title[2:-2]


def _read_markers(head: Head) -> str:
    """Take id and known markers off the front; return the title that remains."""
    rest, at = head.rest, 0
    unknown: list[str] = []
    bold_from, bold_used = -1, False
    while at < len(rest):
        if rest[at].isspace():
            at += 1
        elif rest.startswith(("**", "__"), at):
            bold_from, bold_used = (-1, False) if bold_from >= 0 else (at, False)
            at += 2
        elif (end := _take_id(head, rest, at)) or (end := _take_bracket(head, rest, at, unknown)):
            at, bold_used = end, True
        elif rest[at] == ":" and head.id:
            at += 1
        else:
            break
    if bold_from >= 0 and not bold_used:
        at = bold_from
    title = rest[at:]
    if bold_from >= 0 and bold_used:
        title = title.replace(rest[bold_from : bold_from + 2], "", 1)
    return " ".join([*unknown, *title.split()])[:TITLE_LIMIT]


def _take_id(head: Head, rest: str, at: int) -> int:
    match = None if head.id else _ID.match(rest, at)
    if match is None:
        return 0
    head.id = canonical(match[0])
    aliases: list[str] = []
    end = match.end()
    while (following := _NEXT_ID.match(rest, end)) is not None:
        last = canonical(following[2])
        previous = aliases[-1] if aliases else head.id
        aliases += [last] if following[1] == "/" else spread(previous, last)[1:]
        end = following.end()
    head.aliases = tuple(dict.fromkeys(alias for alias in aliases if alias != head.id))
    separator = _SEPARATORS.match(rest, end)
    return separator.end() if separator else end


def _take_bracket(head: Head, rest: str, at: int, unknown: list[str]) -> int:
    match = _BRACKET.match(rest, at)
    if match is None:
        return 0
    inner = match[1].strip()
    if not head.id and _ID.fullmatch(inner):
        head.id = canonical(inner)
    elif not _mark(head, inner):
        unknown.append(match[0])
    return match.end()


def _mark(head: Head, inner: str) -> bool:
    """Note a known marker, or several as in ``[P, ASYNC]``; say whether all were known."""
    words = [word.strip().upper() for word in re.split(r"[,/|]", inner)]
    stories = [f"US{int(story[1])}" for word in words if (story := _STORY.match(word))]
    modes = {"SYNC", "ASYNC"}.intersection(words)
    if len(stories) + sum(word in {"P", "SYNC", "ASYNC"} for word in words) < len(words):
        return False
    head.modes |= modes
    head.parallel = head.parallel or "P" in words
    head.story = head.story or next(iter(stories), None)
    return True
