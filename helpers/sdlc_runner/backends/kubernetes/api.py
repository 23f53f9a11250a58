"""The one door to the Kubernetes API: plain dictionaries in and out.

Every request is rate limited; 429 is obeyed; a short outage is waited out. The only module beside
``kubeconfig`` that knows the Kubernetes client.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import threading
import time
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from kubernetes.stream import portforward
from kubernetes.utils import parse_quantity
from urllib3.exceptions import HTTPError

from sdlc_runner import __version__
from sdlc_runner.backends.kubernetes.errors import (
    ApiError,
    failure_of,
    refused_upgrade,
    warnings_of,
)
from sdlc_runner.events.codec import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from socket import socket

    from urllib3.response import BaseHTTPResponse

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0
_RETRY_SECONDS = 8.0
_LONGEST_WAIT = 120.0
_LARGEST_ANSWER = 256 << 20
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_MOST_CONNECTIONS = 32
_CHUNK = 64 * 1024
_MESSAGE_LIMIT = 300
_OBJECT = re.compile(r"<?[\w.]*HTTPS?Connection(?:Pool)?\b[^)>]*[)>]: ")

JsonObject = dict[str, Any]
_Answer = TypeVar("_Answer")


class KubeApi:
    """The API of one cluster, and the namespace that attempts run in."""

    def __init__(self, api: client.ApiClient, namespace: str, requests_per_second: float) -> None:
        self._api = api
        self._throttle = Throttle(requests_per_second)
        self._broke = float("-inf")
        self._signing_in = threading.Lock()
        self.namespace = namespace
        self.clock = ServerClock()
        self.server = str(api.configuration.host)
        # A request that never ends must not hold a place for ever: hence both limits.
        self._pool = api.rest_client.pool_manager
        self._pool.connection_pool_kw.update(maxsize=_MOST_CONNECTIONS, block=False)

    def path(self, kind: str, name: str = "", part: str = "") -> str:
        """Return the path of a namespaced kind, or of one object, or of a part of it."""
        root = "/apis/batch/v1" if kind == "jobs" else "/api/v1"
        pieces = [root, "namespaces", self.namespace, kind, name, part]
        return "/".join(piece for piece in pieces if piece)

    def get(self, path: str, **query: str) -> JsonObject:
        """Read one object or one list; raises ``ApiError``."""
        return self._json("GET", path, query)

    def create(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Create an object; raises ``ApiError`` (409: it is there already)."""
        return self._json("POST", path, {}, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Merge fields into an object."""
        return self._json("PATCH", path, {}, body)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> bool:
        """Delete an object; whether it was there."""
        try:
            self._json("DELETE", path, {}, body or {"propagationPolicy": "Background"})
        except ApiError as failure:
            if failure.is_not_found:
                return False
            raise
        return True

    def stream(self, path: str, query: Mapping[str, str], silence: float) -> Stream:
        """Open a watch or a log, which is broken off after ``silence`` seconds without a byte."""
        return Stream(self._request("GET", path, query, None, silence), self._note_break)

    def text(self, path: str, query: Mapping[str, str]) -> bytes:
        """Read a whole log."""

        def read() -> bytes:
            stream = self.stream(path, query, _READ_SECONDS)
            try:
                return b"".join(stream)
            finally:
                stream.close()

        return self._retry(read)

    def dry_run(self, path: str, body: Mapping[str, Any]) -> tuple[str, ...]:
        """Have the server check a creation without keeping anything; return its warnings."""
        response = self._request("POST", path, {"dryRun": "All"}, body, _READ_SECONDS)
        _object(response)
        return warnings_of(response.headers.getlist("Warning"))

    def forward(self, pod: str, port: int) -> socket:
        """Open a connection to a port of a pod; may be called from threads."""
        # A client of its own: while it opens, the library changes how its client sends.
        core = client.CoreV1Api(client.ApiClient(self._api.configuration))
        call = core.connect_get_namespaced_pod_portforward
        try:
            opened = portforward(call, pod, self.namespace, ports=str(port))
        except ApiException as error:
            raise refused_upgrade(error, f"Cannot connect to port {port} of {pod}") from None
        except (HTTPError, OSError) as error:
            raise ApiError(
                None, "", f"Cannot connect to port {port} of {pod}: {transport_message(error)}"
            ) from None
        found: socket = opened.socket(port)
        return found

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
    ) -> JsonObject:
        return self._retry(lambda: _object(self._request(method, path, query, body, _READ_SECONDS)))

    def _retry(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask until there is an answer, for as long as a short outage may last."""
        deadline = time.monotonic() + _RETRY_SECONDS
        backoff, granted = Backoff(0.2, _RETRY_SECONDS), 0.0
        while True:
            try:
                return ask()
            except ApiError as failure:
                wait = backoff.next(failure.retry_after)
                if failure.retry_after and granted + wait < _LONGEST_WAIT:
                    granted += wait  # the server is alive and says when
                passing = failure.is_passing or self._is_waking(failure)
                if not passing or time.monotonic() + wait > deadline + granted:
                    raise
                time.sleep(wait)

    def _is_waking(self, failure: ApiError) -> bool:
        """Whether the server has just started: then it refuses everyone for a moment."""
        return failure.is_unauthorized and time.monotonic() - self._broke < _RETRY_SECONDS

    def _note_break(self) -> None:
        self._broke = time.monotonic()

    def _credentials(self) -> dict[str, str]:
        """Return the headers that authenticate us; one thread at a time renews the token."""
        try:
            with self._signing_in:
                settings = self._api.configuration.auth_settings().values()
        except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
            raise ApiError(None, "", f"Signing in failed: {transport_message(error)}") from None
        return {str(setting["key"]): str(setting["value"]).strip() for setting in settings}

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        silence: float,
    ) -> BaseHTTPResponse:
        """Send one request; raises ``ApiError`` for anything but a good status."""
        self._throttle.take()
        query_text = f"?{urlencode(query)}" if query else ""
        headers = {"Accept": _JSON, "User-Agent": f"sdlc-runner/{__version__}"}
        if body is not None:
            headers["Content-Type"] = _MERGE_PATCH if method == "PATCH" else _JSON
        headers.update(self._credentials())
        try:
            response = self._pool.urlopen(
                method,
                f"{self.server}{path}{query_text}",
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=silence),
                preload_content=False,
                retries=False,
                redirect=False,
            )
        except (HTTPError, OSError, ValueError) as error:
            self._note_break()
            raise ApiError(None, "", f"{self.server}: {transport_message(error)}") from None
        self.clock.set(response.headers.get("Date"))
        if not 200 <= response.status < 300:  # noqa: PLR2004
            raise failure_of(response.status, response.headers, _body_of(response))
        return response


def _object(response: BaseHTTPResponse) -> JsonObject:
    try:
        content = response.read(_LARGEST_ANSWER)
        if not response.read(1):
            response.release_conn()
            found = json.loads(content)
            if isinstance(found, dict):
                return found
        raise ApiError(None, "", "The answer is not a JSON object, or is too large.")
    except (ValueError, RecursionError, HTTPError, OSError) as error:
        raise ApiError(None, "", f"The answer cannot be read: {transport_message(error)}") from None
    finally:
        response.close()


def _body_of(response: BaseHTTPResponse) -> bytes:
    try:
        return bytes(response.read(_CHUNK))
    except (HTTPError, OSError):
        return b""
    finally:
        response.close()


# Its own source: threads must not change the state that others seed.
JITTER = random.Random()  # noqa: S311 - no secret comes of it


class Backoff:
    """Pauses that double from ``first`` to ``longest`` seconds, each half to one and a half."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._pause = first

    def reset(self) -> None:
        """Start over: it went well."""
        self._pause = self._first

    def next(self, at_least: float = 0) -> float:
        """Return the next pause, no shorter than what the server asked for."""
        pause, self._pause = self._pause, min(self._pause * 2, self._longest)
        return max(at_least, pause * JITTER.uniform(0.5, 1.5))


class Throttle:
    """A client-side rate limit, which the official client lacks; may be shared by threads.

    A bucket that fills by ``per_second`` and holds one second's worth.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._lock = threading.Lock()
        self._tokens = per_second
        self._filled = time.monotonic()

    def take(self) -> None:
        """Wait until one more request may go out."""
        with self._lock:
            now = time.monotonic()
            more = (now - self._filled) * self._per_second
            self._tokens = min(self._per_second, self._tokens + more) - 1
            self._filled = now
            wait = -self._tokens / self._per_second
        if wait > 0:
            time.sleep(wait)


class ServerClock:
    """The cluster's clock, by the ``Date`` of its answers: this machine's may be hours off.

    It runs on between two answers, and may be shared by threads.
    """

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    def set(self, date: str | None) -> None:
        """Take the ``Date`` of an answer that came just now; anything else is ignored."""
        try:
            seconds = parsedate_to_datetime(date or "").timestamp()
        except (ValueError, OverflowError):
            return
        self._last = (seconds, time.monotonic())

    def now(self) -> float | None:
        """Return its time in seconds of the epoch; None before the first answer."""
        if self._last is None:
            return None
        seconds, at = self._last
        return seconds + time.monotonic() - at


class Stream:
    """One long answer, a watch or a log, that any thread may end.

    Yields pieces as they come; raises ``ApiError`` when it is cut off, or silent for too long.

    ``broke`` is called when that happens.
    """

    def __init__(self, response: BaseHTTPResponse, broke: Callable[[], None]) -> None:
        self._response = response
        self._broke = broke

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.stream(_CHUNK)
        except (HTTPError, OSError, ValueError, AttributeError) as error:
            self._broke()
            raise ApiError(None, "", f"The stream broke off: {transport_message(error)}") from None

    def stop(self) -> None:
        """End it for its reader; for other threads than the reader's."""
        with contextlib.suppress(Exception):  # it may just have ended
            self._response.shutdown()

    def close(self) -> None:
        """Give the connection back or up; for the thread that read it."""
        with contextlib.suppress(HTTPError, OSError, ValueError):
            self._response.close()


def transport_message(error: Exception) -> str:
    """Return the message of a transport's error, without the library's objects."""
    reason = getattr(error, "reason", None) or error
    return clean(_OBJECT.sub("", str(reason)), _MESSAGE_LIMIT) or type(error).__name__


def quantity(text: object) -> Decimal:
    """Read a quantity of Kubernetes, such as ``500m`` or ``2Gi``; 0 if it is none."""
    try:
        return Decimal(parse_quantity(str(text)))  # type: ignore[no-untyped-call]
    except ValueError:
        return Decimal(0)
