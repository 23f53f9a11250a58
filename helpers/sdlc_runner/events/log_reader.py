"""Reading an attempt's log exactly: every event once, in order, holes named and refilled.

Pure: bytes in, events out. The end of a stream means nothing here; the caller decides when to stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.events import redaction
from sdlc_runner.events.codec import AttemptKey, Event, clean, client_event, parse
from sdlc_runner.events.cursor import Position
from sdlc_runner.events.types import LINE_LIMIT, EventType, GapEvent, LogEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TEXT_TYPES = frozenset({EventType.LOG, EventType.MESSAGE})
"""The types that are one line of text."""
_EXCERPT_LENGTH = 200  # characters of one line


class LogEntry(NamedTuple):
    """An event that was read, and the line to pass on for it."""

    event: Event
    line: bytes

    @classmethod
    def of(cls, event: Event) -> LogEntry:
        """Write the line of an event."""
        return cls(event, event.to_line().encode())


def last_words(entries: Sequence[LogEntry], most: int) -> list[str]:
    """Return the last texts of an attempt's log, each short."""
    lines = [entry.event for entry in entries if entry.event.type in TEXT_TYPES][-most:]
    return [event.fields["text"][:_EXCERPT_LENGTH] for event in lines]


class Reader:
    """Reads one attempt's log from a position on; keeps the position."""

    def __init__(self, key: AttemptKey, position: Position | None = None) -> None:
        """Continue after ``position``; without one, start at the first event."""
        position = position or Position()
        self.key = key
        self.last = position.last
        self.gaps = list(position.gaps)
        self._rest = b""
        self._in_long_line = False
        self._has_result = False

    @property
    def position(self) -> Position:
        """How far it has come."""
        return Position(self.last, tuple(self.gaps))

    @property
    def is_complete(self) -> bool:
        """Whether it has seen everything up to the ``result``, the last event but warnings."""
        return self._has_result and not self.gaps

    def feed(self, data: bytes) -> list[LogEntry]:
        """Take the next bytes of the log; return what they complete."""
        if self._in_long_line:
            _, newline, data = data.partition(b"\n")
            self._in_long_line = not newline
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        whole, self._rest = data[:end], data[end:]
        found: list[LogEntry] = []
        for line in filter(None, whole.split(b"\n")):
            self._take(line, found)
        if len(self._rest) > LINE_LIMIT:
            # Its end must not be read as a line of its own: it could look like an event.
            found.append(self._as_log(self._rest))
            self._rest, self._in_long_line = b"", True
        return found

    def finish(self) -> list[LogEntry]:
        """Take what is left when the log has ended: a last line without its newline."""
        return self.feed(b"\n") if self._rest else []

    def _take(self, line: bytes, found: list[LogEntry]) -> None:
        event = parse(line, self.key)
        if event is None or event.seq is None:
            found.append(self._as_log(line))
            return
        if event.seq <= self.last:
            return  # seen before
        if event.seq > self.last + 1:
            found.append(self._open_gap(self.last + 1, event.seq - 1))
        self.last = event.seq
        self._has_result = self._has_result or event.type is EventType.RESULT
        found.append(LogEntry.of(_masked(event)))

    def _as_log(self, line: bytes) -> LogEntry:
        text = redaction.mask(clean(line[:LINE_LIMIT].decode("utf-8", "replace")))
        log = client_event(LogEvent(text=text), self.key)
        return LogEntry.of(log)

    def _open_gap(self, first: int, last: int) -> LogEntry:
        self.gaps.append((first, last))
        event = client_event(GapEvent(from_=first, to=last, recovered=False), self.key)
        return LogEntry.of(event)

    def refill(self, lines: Iterable[bytes]) -> list[LogEntry]:
        """Take a transcript: what was missing, and what follows the last event seen."""
        events = (event for line in lines if (event := parse(line, self.key)))
        known = {event.seq: event for event in events if event.seq and self._lacks(event.seq)}
        found = [entry for gap in list(self.gaps) for entry in self._refill(gap, known)]
        for seq in sorted(seq for seq in known if seq > self.last):
            if seq > self.last + 1:
                found.append(self._open_gap(self.last + 1, seq - 1))
            self.last = seq
            found.append(LogEntry.of(_masked(known[seq])))
        return found

    def _lacks(self, seq: int) -> bool:
        return seq > self.last or any(first <= seq <= last for first, last in self.gaps)

    def _refill(self, gap: tuple[int, int], known: Mapping[int, Event]) -> list[LogEntry]:
        first, last = gap
        # A hostile number can open a gap of any length: never count through it.
        events = [known[seq] for seq in sorted(known) if first <= seq <= last]
        if len(events) < last - first + 1:
            return []
        self.gaps.remove(gap)
        late = (item._replace(fields={**item.fields, "refilled": True}) for item in events)
        found = [LogEntry.of(_masked(event)) for event in late]
        closing = client_event(GapEvent(from_=first, to=last, recovered=True), self.key)
        return [*found, LogEntry.of(closing)]


def _masked(event: Event) -> Event:
    """Mask what looks like a credential in the texts of an event; they are clean already."""
    return event._replace(
        fields={redaction.mask(name): _mask(value) for name, value in event.fields.items()}
    )


def _mask(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return redaction.mask(value)
    if isinstance(value, list):
        return [_mask(item) for item in value]
    if isinstance(value, dict):
        return {redaction.mask(name): _mask(item) for name, item in value.items()}
    return value
