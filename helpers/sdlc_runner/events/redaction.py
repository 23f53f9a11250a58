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


def mask(text: str) -> str:
    """Replace what looks like a credential by ``***``."""
    return SHAPES.sub("***", text)
