"""A copy of some objects of the cluster that keeps itself up to date: one list, then one watch.

However many attempts a process follows, each kind of object has one mirror, and no pod is polled.
"""

from __future__ import annotations

import json
import random
import threading
import time
from typing import TYPE_CHECKING, Any

from sdlc_runner.kube.failure import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sdlc_runner.kube.api import JsonObject, KubeApi

_GONE = 410
_WATCH_SECONDS = 240
_SILENCE_SECONDS = 90  # bookmarks come every minute
_LONGEST_PAUSE = 5.0
_REFUSED_SECONDS = 20.0
_OUTAGE_SECONDS = 600.0


class _ExpiredError(Exception):
    """The watch is too far behind: list again."""


class Mirror:
    """The objects of one kind that a selector names; ``changed`` is called after every change."""

    def __init__(
        self, api: KubeApi, kind: str, query: Mapping[str, str], changed: Callable[[], None]
    ) -> None:
        self._api = api
        self._path = api.path(kind)
        self._query = dict(query)
        self._changed = changed
        self._objects: dict[str, JsonObject] = {}
        self._synced = threading.Event()
        self._stopped = threading.Event()
        self._failing_since: float | None = None
        self._failure: ApiError | None = None
        threading.Thread(target=self._run, name=f"mirror of {kind}", daemon=True).start()

    def objects(self) -> list[JsonObject]:
        """Return what there is; raises the failure that has lasted for too long."""
        failure, since = self._failure, self._failing_since
        if failure is not None and since is not None:
            most = _REFUSED_SECONDS if failure.status in {401, 403} else _OUTAGE_SECONDS
            if time.monotonic() - since > most:
                raise failure
        return list(self._objects.values())

    @property
    def outage(self) -> float:
        """For how many seconds the cluster has not answered."""
        since = self._failing_since
        return 0 if since is None else time.monotonic() - since

    def wait_for_list(self, seconds: float) -> bool:
        """Wait for the first list."""
        return self._synced.wait(seconds)

    def stop(self) -> None:
        """Keep it no longer up to date."""
        self._stopped.set()

    def _run(self) -> None:
        version, pause = "", 0.1
        while not self._stopped.is_set():
            try:
                version = version or self._list()
                version = self._watch(version)
                pause = 0.1
            except _ExpiredError:
                version = ""
            except ApiError as failure:
                if failure.status == _GONE:
                    version = ""
                    continue
                self._failure = failure
                self._failing_since = self._failing_since or time.monotonic()
                self._stopped.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _list(self) -> str:
        found = self._api.get(self._path, **self._query)
        kept = {item["metadata"]["uid"]: item for item in found.get("items", [])}
        self._objects = kept
        self._is_well()
        self._synced.set()
        self._changed()
        return str(found["metadata"]["resourceVersion"])

    def _is_well(self) -> None:
        self._failure = self._failing_since = None

    def _watch(self, version: str) -> str:
        """Follow changes until the server ends the watch; return where to go on."""
        query = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS + random.randint(0, 60)),  # noqa: S311 - jitter
        }
        pieces, response = self._api.stream(self._path, query, _SILENCE_SECONDS)
        self._is_well()
        rest = b""
        try:
            for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    version = self._apply(json.loads(line)) or version
                if lines:
                    self._changed()
                if self._stopped.is_set():
                    break
        except ApiError as failure:
            if failure.status is not None:
                raise  # else it only broke off: the next watch goes on from the last change
            self._failing_since = self._failing_since or time.monotonic()
            self._stopped.wait(random.uniform(0.05, 0.3))  # noqa: S311 - jitter
        except (ValueError, KeyError) as error:
            raise _ExpiredError from error
        finally:
            response.close()
        return version

    def _apply(self, change: Mapping[str, Any]) -> str:
        found = change["object"]
        match change["type"]:
            case "ERROR":
                if found.get("code") == _GONE:
                    raise _ExpiredError
                raise ApiError(found.get("code"), "", str(found.get("message", "")))
            case "BOOKMARK":
                pass
            case "DELETED":
                self._objects.pop(found["metadata"]["uid"], None)
            case _:
                self._objects[found["metadata"]["uid"]] = found
        return str(found["metadata"]["resourceVersion"])
