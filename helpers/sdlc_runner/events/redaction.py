"""Known shapes of credentials, masked once more in the client, whatever the attempt masked."""

from __future__ import annotations

import re

_SHAPES = (
    r"gh[pousr]_[A-Za-z0-9]{30,255}",
    r"github_pat_[A-Za-z0-9_]{30,255}",
    r"glpat-[A-Za-z0-9_-]{20,255}",
    r"sk-[A-Za-z0-9_-]{20,255}",
    r"AKIA[A-Z0-9]{16}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"xox[abprs]-[A-Za-z0-9-]{10,255}",
    r"(?<=://)[^/\s:@\"]{1,255}:[^/\s@\"]{1,255}(?=@)",
)
SHAPES = re.compile("|".join(_SHAPES))
# Where SHAPES can match, there are so many of these characters in a row, or an address; and then
# one of the words is there.
_SHORTEST = 15
_IN_TOKENS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_ROWS = bytes(ord("x") if code in _IN_TOKENS else ord(" ") for code in range(256))
_ROW = b"x" * _SHORTEST
_WORDS = (
    *(b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
    *(b"glpat-", b"sk-", b"AKIA", b"AIza", b"xox"),
)
_ADDRESS = re.compile(rb"://[^/\s]*@")


def mask(text: str) -> str:
    """Replace what looks like a credential by ``***``."""
    return SHAPES.sub("***", text)


def may_hold(data: bytes) -> bool:
    """Whether a whole batch may hold a credential: the cheap question before ``mask``."""
    if b"://" in data and _ADDRESS.search(data):
        return True
    return _ROW in data.translate(_ROWS) and any(word in data for word in _WORDS)
