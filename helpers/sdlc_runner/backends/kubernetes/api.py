"""The one door to the Kubernetes API: plain dictionaries in and out, patient and polite.

Every request is rate limited; 429 is obeyed; a moment's outage is waited out.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from kubernetes.stream import portforward
from urllib3.exceptions import HTTPError

from sdlc_runner import __version__
from sdlc_runner.backends.kubernetes.backoff import Backoff
from sdlc_runner.backends.kubernetes.errors import (
    ApiError,
    failure_of,
    refused_upgrade,
    warnings_of,
)
from sdlc_runner.backends.kubernetes.server_clock import ServerClock
from sdlc_runner.backends.kubernetes.stream import Stream, said
from sdlc_runner.backends.kubernetes.throttle import Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket

    from urllib3.response import BaseHTTPResponse

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0
_PATIENCE_SECONDS = 8.0
_LONGEST_WAIT = 120.0
_LARGEST_ANSWER = 256 << 20
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_MOST_CONNECTIONS = 32
_CHUNK = 64 * 1024

JsonObject = dict[str, Any]
_Answer = TypeVar("_Answer")


class KubeApi:
    """The API of one cluster, and the namespace that attempts run in."""

    def __init__(self, api: client.ApiClient, namespace: str, requests_per_second: float) -> None:
        self._api = api
        self._rate = Rate(requests_per_second)
        self._broke = float("-inf")
        self._signing_in = threading.Lock()
        self.namespace = namespace
        self.clock = ServerClock()
        self.server = str(api.configuration.host)
        # A request that never came to an end must not hold a place for ever: hence both bounds.
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
            if failure.status == 404:  # noqa: PLR2004 - not found
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

        return self._patiently(read)

    def try_out(self, path: str, body: Mapping[str, Any]) -> tuple[str, ...]:
        """Have the server go through a creation and keep nothing; returns its warnings."""
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
            raise refused_upgrade(error, f"No way to port {port} of {pod}") from None
        except (HTTPError, OSError) as error:
            raise ApiError(None, "", f"No way to port {port} of {pod}: {said(error)}") from None
        found: socket = opened.socket(port)
        return found

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
    ) -> JsonObject:
        return self._patiently(
            lambda: _object(self._request(method, path, query, body, _READ_SECONDS))
        )

    def _patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask until there is an answer, for as long as a short outage may last."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        backoff, granted = Backoff(0.2, _PATIENCE_SECONDS), 0.0
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
        """Whether it has just started: then it refuses everybody for a moment."""
        return failure.status in {401, 403} and time.monotonic() - self._broke < _PATIENCE_SECONDS

    def _note_break(self) -> None:
        self._broke = time.monotonic()

    def _credentials(self) -> dict[str, str]:
        """Return what says who we are; a token that is about to end is renewed, by one thread."""
        try:
            with self._signing_in:
                settings = self._api.configuration.auth_settings().values()
        except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
            raise ApiError(None, "", f"Signing in failed: {said(error)}") from None
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
        self._rate.take()
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
            raise ApiError(None, "", f"{self.server}: {said(error)}") from None
        self.clock.heard(response.headers.get("Date"))
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
        raise ApiError(None, "", "The answer is no JSON object, or a very large one.")
    except (ValueError, RecursionError, HTTPError, OSError) as error:
        raise ApiError(None, "", f"The answer cannot be read: {said(error)}") from None
    finally:
        response.close()


def _body_of(response: BaseHTTPResponse) -> bytes:
    try:
        return bytes(response.read(_CHUNK))
    except (HTTPError, OSError):
        return b""
    finally:
        response.close()
