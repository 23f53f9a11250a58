"""Server-sent events: cut out of a hostile stream of bytes, of bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.worker.agents.opencode_events import PARSE_LIMIT
from sdlc_runner.worker.untrusted_json import as_mapping, as_text, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdlc_runner.worker.masking import Masker


class ServerEvent(NamedTuple):
    """One event: its type and properties, and the session it is about, if any."""

    type: str
    properties: Mapping[str, Any]

    @property
    def session(self) -> str:
        """Return the id of its session; empty if it is about none."""
        return as_text(self.properties.get("sessionID")) or as_text(
            as_mapping(self.properties.get("part")).get("sessionID")
        )


class ServerEvents:
    """Makes events of pieces of bytes; what is too long or no event is left out."""

    def __init__(self, masker: Masker) -> None:
        """Mask what comes before any text of it can be cut."""
        self._masker = masker
        self._rest = bytearray()
        self._skipping = False

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """Yield the events that a piece completes."""
        *lines, rest = piece.split(b"\n")
        for line in lines:
            event = None if self._skipping else self._event(bytes(self._rest + line))
            self._rest, self._skipping = bytearray(), False
            if event is not None:
                yield event
        self._rest += rest
        if len(self._rest) > PARSE_LIMIT:
            self._rest, self._skipping = bytearray(), True

    def _event(self, line: bytes) -> ServerEvent | None:
        if not line.startswith(b"data:") or len(line) > PARSE_LIMIT:
            return None
        record = parse_json(self._masker.mask(line[5:].decode("utf-8", "replace")))
        if not isinstance(record, dict):
            return None
        return ServerEvent(as_text(record.get("type")), as_mapping(record.get("properties")))
