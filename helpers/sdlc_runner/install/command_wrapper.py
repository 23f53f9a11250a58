"""Our text around a stock command, so that every step of it stays."""

from __future__ import annotations

import re

MARK = "<!-- sdlc-runner:"
CORE = "{CORE_TEMPLATE}"
_OWN_CORE = re.compile(r"<!-- core -->\n.*<!-- /core -->", re.DOTALL)
_FRONT = re.compile(r"\A---\r?\n.*?\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_SOURCE = re.compile(r"^<!-- Source: .* -->$", re.MULTILINE)


def with_core_placeholder(ours: str) -> str:
    """Return our command with a place for the stock text instead of steps of its own."""
    return _OWN_CORE.sub(CORE, ours)


def around(stock: str, ours: str) -> str:
    """Return a stock command, under its own frontmatter, with our text around it."""
    front = _FRONT.match(stock)
    before, _, after = _body(with_core_placeholder(ours)).partition(CORE)
    head = front[0] if front else ""
    return f"{head}{before}{_body(stock)}{after}"


def is_ours(text: str) -> bool:
    """Whether a command has our text."""
    return MARK in text


def same_steps(one: str, other: str) -> bool:
    """Whether two commands say the same, whatever tools did to frontmatter and margins."""
    return _steps(one) == _steps(other)


def _body(text: str) -> str:
    return _FRONT.sub("", text, count=1)


def _steps(text: str) -> str:
    return _SOURCE.sub("", _body(text)).strip()
