"""The chunked transfer coding undone, many chunks at a time: a log is sent line by line. Pure.

RFC 9112, section 7.1.
"""

from __future__ import annotations

import re

_LINE_BREAK = b"\r\n"
_LINE_LIMIT = 4096
_LINE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?")


class Chunks:
    """Takes what was sent in any pieces; ``over`` once the last chunk has come."""

    def __init__(self) -> None:
        self.over = False
        self._rest = b""
        self._left = 0  # of the chunk that is being read, its line break included

    def feed(self, piece: bytes) -> bytes:
        """Return what the piece holds of the content; raises ``ValueError`` if it is no chunk."""
        data, at = self._rest + piece, 0
        found: list[bytes] = []
        while not self.over:
            if not self._left:
                end = data.find(_LINE_BREAK, at)
                if end < 0:
                    break
                self._begin(data[at:end])
                at = end + len(_LINE_BREAK)
            content = max(0, self._left - len(_LINE_BREAK))
            found.append(data[at : at + content])
            taken = min(self._left, len(data) - at)
            at += taken
            self._left -= taken
            if self._left:
                break
        self._rest = data[at:]
        if len(self._rest) > _LINE_LIMIT:
            raise ValueError("a chunk has no size")
        return b"".join(found)

    def _begin(self, line: bytes) -> None:
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError("a chunk has no size")
        size = int(found[1], 16)
        self.over = size == 0
        self._left = 0 if self.over else size + len(_LINE_BREAK)
