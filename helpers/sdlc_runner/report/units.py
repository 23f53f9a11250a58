"""Numbers as people read them: durations, tokens, dollars, moments."""

from __future__ import annotations

import time

_MINUTE, _HOUR = 60, 3600


def duration(seconds: float | None) -> str:
    """Write ``12.3 s``, ``3 min 20 s`` or ``1 h 02 min``; nothing where it is unknown."""
    if seconds is None:
        return ""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // _HOUR} h {whole % _HOUR // 60:02} min"


def tokens(count: int) -> str:
    """Write ``1,234,567``; nothing where there were none."""
    return f"{count:,}" if count else ""


def cost(dollars: float) -> str:
    """Write ``$0.0123``, ``$1.23``; nothing where there was none."""
    if not dollars:
        return ""
    return f"${dollars:.4f}" if dollars < 1 else f"${dollars:,.2f}"


def moment(seconds: float, *, date: bool = True, exact: bool = False) -> str:
    """Write a moment in UTC."""
    form = ("%Y-%m-%d " if date else "") + ("%H:%M:%S" if exact else "%H:%M")
    return time.strftime(form, time.gmtime(seconds))
