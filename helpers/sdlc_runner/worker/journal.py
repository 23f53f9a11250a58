"""The journal: every event of one attempt, numbered, masked, in a file that is only appended to.

The file is what a follower reads and what becomes the transcript.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import IO, TYPE_CHECKING, Any

from sdlc_runner.events.codec import AttemptKey, Event, clean, now, parse
from sdlc_runner.events.types import (
    LINE_LIMIT,
    TEXT_LIMIT,
    EventBody,
    LogEvent,
    MessageEvent,
    ResultEvent,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sdlc_runner.worker.masking import Masker

_RESERVE_BYTES = 1 << 20
_FIELDS_LIMIT = LINE_LIMIT - 1000  # the rest is for feature, task and the like
_TEXT_LIMITS = (TEXT_LIMIT, 400, 100)


class Journal:
    """Numbers events from 1 and writes them; may be called from any thread."""

    def __init__(
        self, path: Path, key: AttemptKey, masker: Masker, copy: IO[str] | None = None
    ) -> None:
        """Open the file; a second start of the same attempt goes on where the first stopped."""
        self.path = path
        self._key = key
        self._masker = masker
        self._copy = copy
        self._lock = threading.Lock()
        self._reserve = path.with_name("reserve")
        self._reserve.write_bytes(b"\0" * _RESERVE_BYTES)
        self._seq = _repair(path, key)
        self.last_words = ""
        self._file = path.open("ab", buffering=0)

    def emit(self, body: EventBody) -> None:
        """Write one event; its texts are masked, cleaned and bounded here and nowhere else."""
        safe = self._bounded(body.to_fields())
        if isinstance(body, (LogEvent, MessageEvent)):
            self.last_words = safe["text"]
        with self._lock:
            line = Event(body.type, now(), safe, self._key, self._seq + 1).to_line()
            self._write(f"{line}\n".encode(), is_last=isinstance(body, ResultEvent))
            self._seq += 1
            self._write_copy(line)

    @property
    def seq(self) -> int:
        """The number of the last event."""
        return self._seq

    def _write_copy(self, line: str) -> None:
        """Write the copy; who does not read it any more must not cost the attempt."""
        if self._copy is None:
            return
        try:
            self._copy.write(line + "\n")
            self._copy.flush()
        except (OSError, ValueError):
            self._copy = None

    def _write(self, line: bytes, *, is_last: bool) -> None:
        """Write a line whole or not at all; the last one may use the room kept for it."""
        size = os.fstat(self._file.fileno()).st_size
        try:
            self._write_all(line)
        except OSError:
            os.ftruncate(self._file.fileno(), size)
            if not is_last:
                raise
            self.release_reserve()
            self._write_all(line)

    def _write_all(self, line: bytes) -> None:
        while line:
            line = line[self._file.write(line) :]

    def release_reserve(self) -> None:
        """Give back the room kept for telling the end on a full disk."""
        with contextlib.suppress(FileNotFoundError):
            self._reserve.unlink()

    def _bounded(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Mask and clean; cut texts further where many of them would make no line of ours."""
        safe: dict[str, Any] = {}
        for limit in _TEXT_LIMITS:
            safe = {name: self._safe(value, limit) for name, value in fields.items()}
            if not any(isinstance(value, list) for value in safe.values()):
                break  # single texts always fit
            if len(json.dumps(safe, ensure_ascii=False).encode()) < _FIELDS_LIMIT:
                break
        return safe

    def _safe(self, value: Any, limit: int) -> Any:  # noqa: ANN401
        if isinstance(value, str):
            return clean(self._masker.mask(value), limit)
        if isinstance(value, (list, tuple)):
            return [self._safe(item, limit) for item in value]
        if isinstance(value, dict):
            return {str(name): self._safe(item, limit) for name, item in value.items()}
        return value

    def close(self) -> None:
        """Close the file."""
        self.release_reserve()
        self._file.close()


def _repair(path: Path, key: AttemptKey) -> int:
    """Cut off a line that a crash left half written; return the last ``seq``."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) != len(data):
        os.truncate(path, len(whole))
    events = (parse(line, key) for line in reversed(whole.splitlines()))
    return next((event.seq for event in events if event and event.seq), 0)
