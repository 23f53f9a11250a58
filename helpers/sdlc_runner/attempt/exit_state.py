"""What a backend knows of an attempt's end. None of it proves that anything succeeded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.events.types import Outcome


@dataclass(frozen=True)
class TerminationCause:
    """What ended an attempt from outside, or kept it from beginning, as its backend says.

    It explains that an attempt was interrupted, and its claims of failure with a code in ``also``.
    """

    outcome: Outcome
    code: str
    message: str
    hint: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackendStatus:
    """What the backend knows of an attempt; ``claim`` is the ``result`` event in its log."""

    known: bool = False
    alive: bool = False
    cancelled: bool = False
    elsewhere: bool = False  # it began on another machine, of which this backend knows nothing
    exit_code: int | None = None
    claim: Mapping[str, Any] = field(default_factory=dict)
    cause: TerminationCause | None = None
