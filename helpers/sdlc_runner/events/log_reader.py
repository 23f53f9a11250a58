"""Reading an attempt's log exactly: every event once, in order, holes named and refilled.

Pure: bytes in, events out. A stream's end means nothing here; who reads decides when to stop.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.events import redaction
from sdlc_runner.events.chatter import Chatter, may_hold_events
from sdlc_runner.events.codec import (
    AttemptKey,
    Event,
    EventType,
    clean,
    client_event,
    parse,
    reread,
)
from sdlc_runner.events.cursor import Position
from sdlc_runner.events.schema import LINE_LIMIT, TEXT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# What an event's line of ours never holds: control characters, their escapes, bidi marks.
_CONTROL = bytes({*range(0x20), 0x7F} - {0x0A})
_ESCAPED = re.compile(rb"\\(?:u00[0189]|u20[26]|[bfnrt])")
_FORMATTING = re.compile(rb"\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
_FEW_LINES = 32
SAID = frozenset({EventType.LOG, EventType.MESSAGE})
"""What an attempt's log says in words."""
_SAID_LENGTH = 200


class LogBatch(NamedTuple):
    """An event and the line to pass on for it, or many of an attempt's ``log`` and ``message``.

    Those are read again when somebody asks for them: most often their lines are all that is wanted.
    """

    type: EventType
    line: bytes
    key: AttemptKey | None
    made: Event | None = None
    size: int = 1

    @classmethod
    def of(cls, event: Event, line: bytes | None = None) -> LogBatch:
        """Sight an event; without its ``line``, that is written anew."""
        return cls(event.type, line or event.to_line().encode(), event.key, event)

    @property
    def event(self) -> Event:
        """The event, where it is one."""
        return self.made or reread(self.line, self.key)


def iter_events(batch: Iterable[LogBatch]) -> Iterator[LogBatch]:
    """Yield one for each event."""
    for item in batch:
        if item.size == 1:
            yield item
            continue
        for line in item.line.split(b"\n"):
            yield LogBatch.of(reread(line, item.key), line)


def last_said(batch: Sequence[LogBatch], most: int) -> list[str]:
    """Return the last lines of what was said, each short."""
    said = [item for item in batch if item.type in SAID][-most:]
    lines = [(line, item.key) for item in said for line in item.line.rsplit(b"\n", most)[-most:]]
    return [reread(line, key).fields["text"][:_SAID_LENGTH] for line, key in lines[-most:]]


class Reader:
    """Reads one attempt's log from a position on; keeps the position."""

    def __init__(self, key: AttemptKey, position: Position | None = None) -> None:
        """Go on after ``position``; without one, from the first event."""
        position = position or Position()
        self.key = key
        self.last = position.last
        self.gaps = list(position.gaps)
        self._rest = b""
        self._in_long_line = False
        self._has_result = False
        self._chatter = Chatter(key)

    @property
    def position(self) -> Position:
        """How far it has come."""
        return Position(self.last, tuple(self.gaps))

    @property
    def is_complete(self) -> bool:
        """Whether it has seen everything up to the ``result``, the last event but warnings."""
        return self._has_result and not self.gaps

    def feed(self, data: bytes) -> list[LogBatch]:
        """Take the next bytes of the log; return what they complete."""
        if self._in_long_line:
            _, newline, data = data.partition(b"\n")
            self._in_long_line = not newline
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        whole, self._rest = data[:end], data[end:]
        found: list[LogBatch] = []
        if whole:
            self._take_all(whole[:-1].split(b"\n"), found)
        if len(self._rest) > LINE_LIMIT:
            # Its end must not be read as a line of its own: it could look like an event.
            found.append(self._as_log(self._rest))
            self._rest, self._in_long_line = b"", True
        return found

    def finish(self) -> list[LogBatch]:
        """Take what is left when the log has ended: a last line without its newline."""
        return self.feed(b"\n") if self._rest else []

    def _take_all(self, lines: list[bytes], found: list[LogBatch]) -> None:
        """Take lines at once if they are what most of a log is, else few at once or one by one."""
        if self._take_quickly(lines, found):
            return
        if len(lines) > _FEW_LINES:
            for start in range(0, len(lines), _FEW_LINES):
                self._take_all(lines[start : start + _FEW_LINES], found)
            return
        for line in filter(None, lines):
            self._take(line, found, is_clean=_is_clean(line))

    def _take_quickly(self, lines: list[bytes], found: list[LogBatch]) -> bool:
        """Take lines that are all clean, and all common events in order, or all none at all."""
        whole = b"\n".join(lines)
        if len(max(lines, key=len)) > TEXT_LIMIT or b"" in lines or not _is_clean(whole):
            return False
        if may_hold_events(whole):
            seqs = self._chatter.numbers(whole)
            if seqs != list(range(self.last + 1, self.last + 1 + len(lines))):
                return False
            self.last = seqs[-1]
        else:
            whole = self._chatter.logs(whole)
        found.append(LogBatch(EventType.LOG, whole, self.key, size=len(lines)))
        return True

    def _take(self, line: bytes, found: list[LogBatch], *, is_clean: bool) -> None:
        event = parse(line, self.key, is_clean=is_clean)
        if event is None or event.seq is None:
            found.append(self._as_log(line))
            return
        if event.seq <= self.last:
            return  # seen before
        if event.seq > self.last + 1:
            found.append(self._open_gap(self.last + 1, event.seq - 1))
        self.last = event.seq
        self._has_result = self._has_result or event.type is EventType.RESULT
        found.append(LogBatch.of(event, line) if is_clean else sanitize(event))

    def _as_log(self, line: bytes) -> LogBatch:
        text = redaction.mask(clean(line[:LINE_LIMIT].decode("utf-8", "replace")))
        log = client_event(EventType.LOG, self.key, text=text)
        return LogBatch.of(log)

    def _open_gap(self, first: int, last: int) -> LogBatch:
        self.gaps.append((first, last))
        gap: dict[str, Any] = {"from": first, "to": last, "recovered": False}
        event = client_event(EventType.GAP, self.key, **gap)
        return LogBatch.of(event)

    def refill(self, lines: Iterable[bytes]) -> list[LogBatch]:
        """Take a transcript: what was missing, and what follows the last event seen."""
        events = (event for line in lines if (event := parse(line, self.key)))
        known = {event.seq: event for event in events if event.seq and self._lacks(event.seq)}
        found = [batch for gap in list(self.gaps) for batch in self._refill(gap, known)]
        for seq in sorted(seq for seq in known if seq > self.last):
            if seq > self.last + 1:
                found.append(self._open_gap(self.last + 1, seq - 1))
            self.last = seq
            found.append(sanitize(known[seq]))
        return found

    def _lacks(self, seq: int) -> bool:
        return seq > self.last or any(first <= seq <= last for first, last in self.gaps)

    def _refill(self, gap: tuple[int, int], known: Mapping[int, Event]) -> list[LogBatch]:
        first, last = gap
        # A hostile number can open a gap of any length: never count through it.
        events = [known[seq] for seq in sorted(known) if first <= seq <= last]
        if len(events) < last - first + 1:
            return []
        self.gaps.remove(gap)
        late = (item._replace(fields={**item.fields, "refilled": True}) for item in events)
        found = [sanitize(event) for event in late]
        filled: dict[str, Any] = {"from": first, "to": last, "recovered": True}
        closing = client_event(EventType.GAP, self.key, **filled)
        return [*found, LogBatch.of(closing)]


def _is_clean(data: bytes) -> bool:
    """Whether lines are UTF-8 and need no cleaning: most are plain text, which is seen quickly."""
    if len(data.translate(None, _CONTROL)) != len(data):
        return False
    if b"\\" in data and _ESCAPED.search(data):
        return False
    if not data.isascii() and (_FORMATTING.search(data) or not _is_text(data)):
        return False
    return not redaction.may_hold(data)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def sanitize(event: Event) -> LogBatch:
    """Clean an event's texts as if they came from anybody, and write its line anew."""
    fields = {clean(name, 200): _sanitize(value) for name, value in event.fields.items()}
    event = event._replace(fields=fields)
    return LogBatch.of(event)


def _sanitize(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return redaction.mask(clean(value))
    if isinstance(value, list):
        return [_sanitize(item) for item in value]
    if isinstance(value, dict):
        return {clean(name, 200): _sanitize(item) for name, item in value.items()}
    return value
