"""One long answer of the API, a watch or a log, that any thread may end."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from sdlc_runner.events import clean
from sdlc_runner.kube.failure import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from urllib3.response import BaseHTTPResponse

_CHUNK = 256 * 1024
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
                yield from response.read_chunked(_CHUNK)
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


def said(error: Exception) -> str:
    """Return what a transport's error says, without the library's objects."""
    reason = getattr(error, "reason", None) or error
    return clean(_OBJECT.sub("", str(reason)), _MESSAGE_LIMIT) or type(error).__name__
