"""Hashes and slugs: texts made into names that are stable and safe."""

from __future__ import annotations

import hashlib
import re


def digest(*parts: str) -> str:
    """Hash texts so that no two different lists of them give the same input."""
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def slug(text: str, limit: int = 40) -> str:
    """Make a DNS-1123 piece of a text; may lose information, so add a hash where that matters."""
    lowered = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return lowered[:limit].strip("-") or "x"
