"""The lines of a Markdown text, knowing headings, code fences and HTML comments."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TAB_STOP = 4
BULLET = r"(?:[-*+]|[0-9]{1,9}[.)])"

_FENCE = re.compile(rf"\s*(?:{BULLET}\s+)?(`{{3,}}|~{{3,}})([^\n]*)\Z")
_DEDENT_ENDS = re.compile(rf"#{{1,6}}\s|{BULLET}\s+\[[^\n]\]\s")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?\Z")
_TICKS = re.compile(r"`+")


class LineKind(str, Enum):
    """What a line is to a reader of tasks."""

    BLANK = "blank"
    HEADING = "heading"
    CODE = "code"
    COMMENT = "comment"
    TEXT = "text"


class Line(NamedTuple):
    """One line: ``visible`` is ``text`` with comments blanked out, character for character."""

    number: int
    offset: int
    text: str
    visible: str
    kind: LineKind
    indent: int
    opens: bool = False


class _Fence(NamedTuple):
    mark: str
    length: int
    indent: int


def scan(text: str) -> Iterator[Line]:
    """Yield the lines of ``text`` in order; a byte order mark and CR are no part of a line."""
    start = 1 if text.startswith("\ufeff") else 0
    lines = text[start:].split("\n")
    closers = _comment_closers(lines)
    fence: _Fence | None = None
    in_comment = False
    for number, whole in enumerate(lines, start=1):
        line = whole.removesuffix("\r")
        indent = _indent(line)
        opens = False
        if fence is not None and _dedented(line, indent, fence):
            fence = None
        if fence is not None:
            kind, visible = LineKind.CODE, ""
            fence = None if _closes(line, fence) else fence
        elif in_comment:
            kind, visible = LineKind.COMMENT, ""
            in_comment = "-->" not in line
        elif (fence := _opening(line, indent)) is not None:
            kind, visible, opens = LineKind.CODE, "", True
        else:
            visible, in_comment = _uncomment(line, closes_later=closers[number - 1])
            kind = _kind(line, visible)
        yield Line(number, start, line, visible, kind, indent, opens)
        start += len(whole) + 1


def heading(line: str) -> tuple[int, str] | None:
    """Return level and title of an ATX heading, or None for any other line."""
    match = _HEADING.match(line)
    if match is None:
        return None
    title = (match[2] or "").strip()
    bare = title.rstrip("#")
    return len(match[1]), bare.rstrip() if bare != title and bare.endswith((" ", "\t")) else title


def _indent(line: str) -> int:
    column = 0
    for character in line:
        if character == "\t":
            column += TAB_STOP - column % TAB_STOP
        elif character.isspace():
            column += 1
        else:
            break
    return column


def _kind(line: str, visible: str) -> LineKind:
    if not line.strip():
        return LineKind.BLANK
    if not visible.strip():
        return LineKind.COMMENT
    return LineKind.TEXT if heading(visible) is None else LineKind.HEADING


def _opening(line: str, indent: int) -> _Fence | None:
    match = _FENCE.match(line)
    if match is None or (match[1][0] == "`" and "`" in match[2]):
        return None
    return _Fence(match[1][0], len(match[1]), indent)


def _closes(line: str, fence: _Fence) -> bool:
    bare = line.strip()
    return len(bare) >= fence.length and not bare.strip(fence.mark)


def _dedented(line: str, indent: int, fence: _Fence) -> bool:
    # A list item that ends takes its unclosed fence with it; sloppy code inside one does not.
    return indent < fence.indent and _DEDENT_ENDS.match(line.lstrip()) is not None


def _comment_closers(lines: list[str]) -> list[bool]:
    """Say for each line whether a later line of its paragraph closes a comment."""
    closers = [False] * len(lines)
    for at in range(len(lines) - 2, -1, -1):
        following = lines[at + 1]
        closers[at] = bool(following.strip()) and ("-->" in following or closers[at + 1])
    return closers


def _uncomment(line: str, *, closes_later: bool) -> tuple[str, bool]:
    """Blank out the comments of a line; say whether one stays open into the next."""
    if "<!--" not in line:
        return line, False
    if line.lstrip().startswith("<!--"):
        return "", "-->" not in line[line.index("<!--") + 4 :]
    code = _code_ends(line)
    shown: list[str] = []
    at = 0
    while (found := line.find("<!--", at)) >= 0:
        if found in code:
            shown.append(line[at : code[found]])
            at = code[found]
            continue
        end = line.find("-->", found + 4)
        if end < 0:
            rest = line[at:found] if closes_later else line[at:]
            return "".join(shown) + rest, closes_later
        shown.append(line[at:found] + " " * (end + 3 - found))
        at = end + 3
    return "".join(shown) + line[at:], False


def _code_ends(line: str) -> dict[int, int]:
    """Map each comment opener that stands in an inline code span to the end of that span."""
    runs = [match.span() for match in _TICKS.finditer(line)]
    spans = zip(runs[::2], runs[1::2], strict=False)
    ends: dict[int, int] = {}
    for (_, begin), (end, _) in spans:
        found = line.find("<!--", begin, end)
        while found >= 0:
            ends[found] = end
            found = line.find("<!--", found + 4, end)
    return ends
