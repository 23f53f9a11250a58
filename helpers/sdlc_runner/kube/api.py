"""The one door to the Kubernetes API: plain dictionaries in and out, patient and polite.

Kubeconfig contexts, exec plugins, in-cluster tokens, proxies and private CAs are what the official
client makes of them. Every request is rate limited; 429 is obeyed; a moment's outage is waited out.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from kubernetes.stream import portforward
from urllib3.exceptions import HTTPError

from sdlc_runner import __version__
from sdlc_runner.errors import Code, UnreachableError, UsageError
from sdlc_runner.kube.failure import ApiError, failure_of
from sdlc_runner.kube.rate import Rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from socket import socket

    from urllib3.response import BaseHTTPResponse

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0
_PATIENCE_SECONDS = 8.0
_LONGEST_RETRY_AFTER = 60.0
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_MOST_CONNECTIONS = 32
_CHUNK = 64 * 1024

JsonObject = dict[str, Any]


class Access(NamedTuple):
    """Which cluster, as kubeconfig names it; empty: its current context, or the pod we run in."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""


class KubeApi:
    """The API of one cluster, and the namespace that attempts run in."""

    def __init__(self, api: client.ApiClient, namespace: str, requests_per_second: float) -> None:
        self._api = api
        self._rate = Rate(requests_per_second)
        self._broke = float("-inf")
        self.namespace = namespace
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

    def stream(
        self, path: str, query: Mapping[str, str], silence: float
    ) -> tuple[Iterator[bytes], BaseHTTPResponse]:
        """Open a watch or a log: its pieces as they come, and what to close to end it.

        Raises ``ApiError`` after ``silence`` seconds without a byte, and when it is cut off.
        """
        response = self._request("GET", path, query, None, silence)
        return _pieces(response), response

    def text(self, path: str, query: Mapping[str, str]) -> bytes:
        """Read a whole log."""
        response = self._request("GET", path, query, None, _READ_SECONDS)
        try:
            return b"".join(_pieces(response))
        finally:
            response.close()

    def forward(self, pod: str, port: int) -> socket:
        """Open a connection to a port of a pod."""
        core = client.CoreV1Api(self._api)
        call = core.connect_get_namespaced_pod_portforward
        try:
            opened = portforward(call, pod, self.namespace, ports=str(port))
        except (ApiException, HTTPError, OSError) as error:
            status = error.status if isinstance(error, ApiException) else None
            raise ApiError(status, "", f"No way to port {port} of {pod}: {error}"[:300]) from None
        found: socket = opened.socket(port)
        return found

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
    ) -> JsonObject:
        """Ask until there is an answer, for as long as a short outage may last."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        pause = 0.2
        while True:
            try:
                response = self._request(method, path, query, body, _READ_SECONDS)
                return _object(response)
            except ApiError as failure:
                wait = failure.retry_after or pause * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
                passing = failure.is_passing or self._is_waking(failure)
                if not passing or time.monotonic() + wait > deadline:
                    raise
                if failure.retry_after:  # the server is alive and says when
                    deadline += wait
                time.sleep(min(wait, _LONGEST_RETRY_AFTER))
                pause *= 2

    def _is_waking(self, failure: ApiError) -> bool:
        """Whether it has just started: then it refuses everybody for a moment."""
        return failure.status in {401, 403} and time.monotonic() - self._broke < _PATIENCE_SECONDS

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
        headers = {"Accept": _JSON, "User-Agent": f"sdlc-runner/{__version__}"}
        if body is not None:
            headers["Content-Type"] = _MERGE_PATCH if method == "PATCH" else _JSON
        # Renews a token that is about to end.
        for setting in self._api.configuration.auth_settings().values():
            headers[str(setting["key"])] = str(setting["value"])
        try:
            response = self._pool.urlopen(
                method,
                f"{self.server}{path}{_query(query)}",
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=silence),
                preload_content=False,
                retries=False,
                redirect=False,
            )
        except (HTTPError, OSError) as error:
            self._broke = time.monotonic()
            raise ApiError(None, "", f"{self.server}: {_said(error)}") from None
        if not 200 <= response.status < 300:  # noqa: PLR2004
            raise failure_of(response.status, response.headers, _body_of(response))
        return response


def _query(query: Mapping[str, str]) -> str:
    from urllib.parse import urlencode  # noqa: PLC0415

    return f"?{urlencode(query)}" if query else ""


def _pieces(response: BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.read_chunked(_CHUNK) if response.chunked else response.stream(_CHUNK)
    except (HTTPError, OSError, ValueError) as error:
        raise ApiError(None, "", f"The stream broke off: {_said(error)}") from None


def _object(response: BaseHTTPResponse) -> JsonObject:
    try:
        found = json.loads(response.data)
    except (ValueError, RecursionError, HTTPError, OSError) as error:
        raise ApiError(None, "", f"The answer cannot be read: {_said(error)}") from None
    finally:
        response.release_conn()
    return found if isinstance(found, dict) else {}


def _body_of(response: BaseHTTPResponse) -> bytes:
    try:
        return bytes(response.read(_CHUNK))
    except (HTTPError, OSError):
        return b""
    finally:
        response.close()


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(": ")[2][:200] or type(error).__name__


def open_api(access: Access, requests_per_second: float) -> KubeApi:
    """Open the cluster that kubeconfig, or the pod we run in, names."""
    try:
        return _open(access, requests_per_second)
    except ConfigException as error:
        raise UsageError(
            Code.NO_CLUSTER,
            f"No cluster is configured: {str(error)[:200]}",
            "Set KUBECONFIG, or `--set kubernetes.context=NAME`; `kubectl config get-contexts`.",
        ) from None
    except (OSError, ValueError, HTTPError) as error:
        raise UnreachableError(
            Code.NO_CLUSTER, f"The kubeconfig cannot be used: {str(error)[:200]}", "Mend it."
        ) from None


def _open(access: Access, requests_per_second: float) -> KubeApi:
    configuration = client.Configuration()
    files = access.kubeconfig or "~/.kube/config"
    there = any(Path(file).expanduser().exists() for file in files.split(":"))
    if there or access.kubeconfig or access.context:
        context = access.context or None
        config.load_kube_config(  # type: ignore[no-untyped-call]
            files, context, configuration, persist_config=False
        )
        namespace = access.namespace or _namespace_of(files, context)
    else:
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        mounted = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
        namespace = access.namespace or mounted.read_text(encoding="utf-8").strip()
    return KubeApi(client.ApiClient(configuration), namespace, requests_per_second)


def _namespace_of(files: str, context: str | None) -> str:
    contexts, active = config.list_kube_config_contexts(files)  # type: ignore[no-untyped-call]
    named = [item for item in contexts if item["name"] == context] if context else [active]
    return str(named[0]["context"].get("namespace") or "default") if named else "default"
