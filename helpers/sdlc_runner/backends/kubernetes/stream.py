"""One long answer of the API, a watch or a log, that any thread may end."""

from __future__ import annotations

import contextlib
import re
import select
import time
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HTTPError

from sdlc_runner.backends.kubernetes.chunks import Chunks
from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.events.codec import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from urllib3.response import BaseHTTPResponse

_CHUNK = 256 * 1024
_GULP_SECONDS = 0.01  # who wakes for every line of a flood slows down those who write it
_MESSAGE_LIMIT = 300
_OBJECT = re.compile(r"<?[\w.]*HTTPS?Connection(?:Pool)?\b[^)>]*[)>]: ")


class Stream:
    """Yields pieces as they come; raises ``ApiError`` when it is cut off, or silent for too long.

    ``broke`` is told when that happens.
    """

    def __init__(self, response: BaseHTTPResponse, broke: Callable[[], None]) -> None:
        self._response = response
        self._broke = broke

    def __iter__(self) -> Iterator[bytes]:
        response = self._response
        try:
            if response.chunked:
                yield from _gulps(response)
            else:
                yield from response.stream(_CHUNK)
        except (HTTPError, OSError, ValueError, AttributeError) as error:
            self._broke()
            raise ApiError(None, "", f"The stream broke off: {said(error)}") from None

    def stop(self) -> None:
        """Wake whoever reads: nothing more comes. For other threads than the reader's."""
        with contextlib.suppress(Exception):  # it may just be ending by itself
            self._response.shutdown()

    def close(self) -> None:
        """Give the connection back or up; for the thread that read it."""
        with contextlib.suppress(HTTPError, OSError, ValueError):
            self._response.close()


def _gulps(response: Any) -> Iterator[bytes]:  # noqa: ANN401
    """Yield the content of an answer in chunks; the library takes them one by one, and slowly."""
    file = response._fp.fp  # noqa: SLF001 - as its own ``read_chunked`` does
    more = select.poll()
    more.register(file, select.POLLIN)
    chunks = Chunks()
    while True:
        piece = file.read1(_CHUNK)
        if not piece:
            raise ConnectionError("the connection was closed before its end")
        if content := chunks.feed(piece):
            yield content
        if chunks.over:
            return
        if not more.poll(0):
            time.sleep(_GULP_SECONDS)


def said(error: Exception) -> str:
    """Return what a transport's error says, without the library's objects."""
    reason = getattr(error, "reason", None) or error
    return clean(_OBJECT.sub("", str(reason)), _MESSAGE_LIMIT) or type(error).__name__
