"""Reading an attempt's log exactly: every event once, in order, holes named and refilled.

Pure: bytes in, events out. A stream's end means nothing here; who reads decides when to stop.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner import tokens
from sdlc_runner.cursor import Position
from sdlc_runner.events import AttemptKey, Event, EventType, clean, client_event, parse
from sdlc_runner.wire import LINE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable

# What an event's line of ours never holds raw: control characters, their escapes, bidi marks.
_UNCLEAN = re.compile(
    rb"[\x00-\x09\x0b-\x1f\x7f]|\\u00[0189]|\\u20[26]|\\[bfnrt]|\xc2[\x80-\x9f]"
    rb"|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]",
    re.IGNORECASE,
)


_CONTROL = bytes({*range(0x20), 0x7F} - {0x0A})


class Sighted(NamedTuple):
    """An event, and the line to pass on for it."""

    event: Event
    line: bytes


class Reader:
    """Reads one attempt's log from a position on; keeps the position."""

    def __init__(self, key: AttemptKey, position: Position | None = None) -> None:
        """Go on after ``position``; without one, from the first event."""
        position = position or Position()
        self.key = key
        self.last = position.last
        self.gaps = list(position.gaps)
        self._rest = b""

    @property
    def position(self) -> Position:
        """How far it has come."""
        return Position(self.last, tuple(self.gaps))

    def feed(self, data: bytes) -> list[Sighted]:
        """Take the next bytes of the log; return what they complete."""
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        if len(self._rest) > LINE_LIMIT:
            end, self._rest = len(data), b""
        whole = data[:end]
        clean_batch = _is_clean(whole)
        found: list[Sighted] = []
        for line in whole.split(b"\n"):
            if line:
                self._take(line, found, is_clean=clean_batch)
        return found

    def finish(self) -> list[Sighted]:
        """Take what is left when the log has ended: a last line without its newline."""
        return self.feed(b"\n") if self._rest else []

    def _take(self, line: bytes, found: list[Sighted], *, is_clean: bool) -> None:
        event = parse(line, self.key, is_clean=is_clean)
        if event is None or event.seq is None:
            text = tokens.mask(clean(line[:LINE_LIMIT].decode("utf-8", "replace")))
            log = client_event(EventType.LOG, self.key, text=text)
            found.append(Sighted(log, log.to_line().encode()))
            return
        if event.seq <= self.last:
            return  # seen before
        if event.seq > self.last + 1:
            found.append(self._open_gap(self.last + 1, event.seq - 1))
        self.last = event.seq
        found.append(Sighted(event, line) if is_clean else sanitize(event))

    def _open_gap(self, first: int, last: int) -> Sighted:
        self.gaps.append((first, last))
        gap: dict[str, Any] = {"from": first, "to": last, "recovered": False}
        event = client_event(EventType.GAP, self.key, **gap)
        return Sighted(event, event.to_line().encode())

    def refill(self, lines: Iterable[bytes]) -> list[Sighted]:
        """Take a transcript: what was missing, and what follows the last event seen."""
        known = {event.seq: event for line in lines if (event := parse(line, self.key))}
        found = [sighted for gap in list(self.gaps) for sighted in self._refill(gap, known)]
        while (event := known.get(self.last + 1)) is not None:
            self.last += 1
            found.append(sanitize(event))
        return found

    def _refill(self, gap: tuple[int, int], known: dict[int | None, Event]) -> list[Sighted]:
        first, last = gap
        events = [known[seq] for seq in range(first, last + 1) if seq in known]
        if len(events) < last - first + 1:
            return []
        self.gaps.remove(gap)
        late = (replace(item, fields={**item.fields, "refilled": True}) for item in events)
        found = [sanitize(event) for event in late]
        filled: dict[str, Any] = {"from": first, "to": last, "recovered": True}
        closing = client_event(EventType.GAP, self.key, **filled)
        return [*found, Sighted(closing, closing.to_line().encode())]


def _is_clean(data: bytes) -> bool:
    """Whether a batch needs no cleaning; most are plain text, which is seen without a regex."""
    plain = data.isascii() and b"\\" not in data
    if plain and len(data.translate(None, _CONTROL)) == len(data):
        return not tokens.may_hold(data)
    return not (_UNCLEAN.search(data) or tokens.may_hold(data))


def sanitize(event: Event) -> Sighted:
    """Clean an event's texts as if they came from anybody, and write its line anew."""
    fields = {clean(name, 200): _sanitize(value) for name, value in event.fields.items()}
    event = replace(event, fields=fields)
    return Sighted(event, event.to_line().encode())


def _sanitize(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return tokens.mask(clean(value))
    if isinstance(value, list):
        return [_sanitize(item) for item in value]
    if isinstance(value, dict):
        return {clean(name, 200): _sanitize(item) for name, item in value.items()}
    return value
