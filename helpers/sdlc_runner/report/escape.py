"""Hostile text made harmless in Markdown and XML: bounded, one line, never markup."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from sdlc_runner.events.codec import clean

TEXT_LIMIT = 300
_MARKS = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_NO_MENTION = "@\u2060"  # a word joiner: neither a mention nor an address any more
_NOT_XML = re.compile("[\ufffe\uffff\U0001fffe\U0001ffff]")
_TICKS = re.compile("`+")


def text(value: str, limit: int = TEXT_LIMIT) -> str:
    """Write a text that is nothing but text, also in a table's cell."""
    return _escaped(_plain(value, limit))


def _escaped(value: str) -> str:
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    value = _MARKS.sub(r"\\\g<0>", value).replace("@", _NO_MENTION)
    return re.sub(r"://|(?i:\bwww\.)", _broken, value)


def _broken(match: re.Match[str]) -> str:
    """Break what would be made a link all by itself."""
    return match[0][:-1] + "\\" + match[0][-1]


def code(value: str, limit: int = TEXT_LIMIT) -> str:
    """Write a text as code, also in a table's cell; the two marks that end either are replaced."""
    value = _plain(value, limit).replace("`", "'").replace("|", "\u00a6")
    return f"`{value}`" if value else ""


def prose(value: str, limit: int = TEXT_LIMIT) -> str:
    """Write a text that may have commands between backticks, and no other markup."""
    parts = re.split("`([^`]+)`", _plain(value, limit))  # each second one stood between two
    return "".join(code(part) if at % 2 else _escaped(part) for at, part in enumerate(parts))


def block(lines: tuple[str, ...], limit: int = TEXT_LIMIT) -> str:
    """Write lines as a block of code whose fence is in none of them."""
    shown = [_plain(line, limit) for line in lines]
    longest = max((len(ticks) for line in shown for ticks in _TICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *shown, fence])


def xml(value: str, limit: int = TEXT_LIMIT) -> str:
    """Write a text between tags."""
    return escape(_NOT_XML.sub("", _plain(value, limit)))


def attribute(value: str, limit: int = TEXT_LIMIT) -> str:
    """Write a text as an attribute's value, with its quotes."""
    return quoteattr(_NOT_XML.sub("", _plain(value, limit)))


def _plain(value: str, limit: int) -> str:
    return clean(value, limit).strip()
