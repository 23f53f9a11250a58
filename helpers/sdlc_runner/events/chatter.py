"""The lines that most of a log consists of, known for what they are without being read as JSON.

Only what is plain to see is known here; anything else has to be read in full.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from sdlc_runner.events.codec import EventType, client_event
from sdlc_runner.events.schema import TIME_PATTERN, VERSION

if TYPE_CHECKING:
    from sdlc_runner.events.codec import AttemptKey

_TIME = TIME_PATTERN.strip("^$").encode()
_STREAM = rb'(?:,"stream":"(?:stdout|stderr|worker)")?'
_TEXT = rb',"text":"[^"\\\n]*(?:\\["\\][^"\\\n]*)*"'
_MARK = "@"


class Chatter:
    """What one attempt says; all that it is given must be UTF-8 and need no cleaning."""

    def __init__(self, key: AttemptKey) -> None:
        names = {"feature": key.feature, "task": key.task, "attempt": key.number}
        named = json.dumps(names, ensure_ascii=False, separators=(",", ":"))[1:-1].encode()
        head = rb'^\{"v":%d,"seq":([1-9][0-9]{0,14}),"time":"%s",' % (VERSION, _TIME)
        rest = rb',"type":"(?:log|message)"' + _STREAM + _TEXT + _STREAM + rb"\}$"
        self._events = re.compile(head + re.escape(named) + rest, re.MULTILINE)
        self._key = key

    def numbers(self, lines: bytes) -> list[int]:
        """Return the ``seq`` of each line that is a ``log`` or ``message`` of the attempt."""
        return list(map(int, self._events.findall(lines)))

    def logs(self, lines: bytes) -> bytes:
        """Write lines that are no events of the attempt, each as a ``log`` of ours."""
        made = client_event(EventType.LOG, self._key, text=_MARK)
        before, _, after = made.to_line().encode().rpartition(_MARK.encode())
        if b'"' in lines or b"\\" in lines:
            lines = lines.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        return before + lines.replace(b"\n", after + b"\n" + before) + after


def may_hold_events(lines: bytes) -> bool:
    """Whether one of the lines may be an event: it would name its number in one way or another."""
    return b'"seq"' in lines or (b"\\u" in lines and b"{" in lines)
