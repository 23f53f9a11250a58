"""A copy of some objects of the cluster that keeps itself up to date: one list, then one watch.

However many attempts a process follows, each kind of object has one mirror, and no pod is polled.
"""

from __future__ import annotations

import json
import random
import threading
import time
from typing import TYPE_CHECKING, Any

from sdlc_runner.backends.kubernetes.backoff import Backoff
from sdlc_runner.backends.kubernetes.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sdlc_runner.backends.kubernetes.api import JsonObject, KubeApi
    from sdlc_runner.backends.kubernetes.stream import Stream

_GONE = 410
_REFUSED = frozenset({401, 403})
_WATCH_SECONDS = 240
SILENCE_SECONDS = 90.0  # bookmarks come every minute
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_REFUSED_SECONDS = 20.0
_OUTAGE_SECONDS = 600.0
_LARGEST_CHANGE = 16 << 20
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class _ExpiredError(Exception):
    """The watch is too far behind: list again."""


class Informer:
    """The objects of one kind that a selector names; ``changed`` is called after every change.

    ``silence``: seconds without a byte after which a watch is taken for dead.
    """

    def __init__(
        self,
        api: KubeApi,
        kind: str,
        query: Mapping[str, str],
        changed: Callable[[], None],
        silence: float = SILENCE_SECONDS,
    ) -> None:
        self._api = api
        self._path = api.path(kind)
        self._query = dict(query)
        self._changed = changed
        self._silence = silence
        self._objects: dict[str, JsonObject] = {}
        self._past: dict[str, JsonObject] = {}
        self._synced = threading.Event()
        self._stopped = threading.Event()
        self._stream: Stream | None = None
        self._failing_since: float | None = None
        self._failure: ApiError | None = None
        threading.Thread(target=self._run, name=f"mirror of {kind}", daemon=True).start()

    def objects(self) -> list[JsonObject]:
        """Return what there is; raises the failure that has lasted for too long."""
        failure, since = self._failure, self._failing_since
        if failure is not None and since is not None:
            most = _REFUSED_SECONDS if failure.status in _REFUSED else _OUTAGE_SECONDS
            if time.monotonic() - since > most:
                raise failure
        return self.newest()

    def newest(self) -> list[JsonObject]:
        """Return what there was when it could be read last."""
        return list(self._objects.values())

    def past(self) -> list[JsonObject]:
        """Return what was deleted meanwhile, as it was last seen."""
        return list(self._past.values())

    @property
    def synced(self) -> bool:
        """Whether there was a list yet: without one, an object that is missing may well exist."""
        return self._synced.is_set()

    @property
    def outage(self) -> float:
        """For how many seconds the cluster has not answered."""
        since = self._failing_since
        return 0 if since is None else time.monotonic() - since

    def wait_for_list(self, seconds: float) -> bool:
        """Wait for the first list."""
        return self._synced.wait(seconds)

    def stop(self) -> None:
        """Keep it no longer up to date; the connection is given up at once."""
        self._stopped.set()
        if self._stream is not None:
            self._stream.stop()

    def _run(self) -> None:
        version, backoff = "", Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                version = self._watch(version or self._list())
                if time.monotonic() - began > _LONGEST_PAUSE:
                    backoff.reset()
                else:
                    self._stopped.wait(backoff.next())
            except _ExpiredError:
                version = ""
                self._stopped.wait(backoff.next())
            except ApiError as failure:
                version = "" if failure.status == _GONE else version
                self._failure = failure
                self._failing_since = self._failing_since or time.monotonic()
                self._stopped.wait(backoff.next(failure.retry_after))

    def _list(self) -> str:
        found = self._api.get(self._path, **self._query)
        try:
            kept = {item["metadata"]["uid"]: item for item in found.get("items") or ()}
            version = str(found["metadata"]["resourceVersion"])
        except _UNREADABLE:
            raise ApiError(None, "", f"{self._path}: the answer is no list.") from None
        self._past.update({uid: old for uid, old in self._objects.items() if uid not in kept})
        self._objects = kept
        self._is_well()
        self._synced.set()
        self._changed()
        return version

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
        self._stream = stream = self._api.stream(self._path, query, self._silence)
        self._is_well()
        try:
            return self._read(stream, version)
        except _UNREADABLE as error:
            raise _ExpiredError from error
        finally:
            self._stream = None
            stream.close()

    def _read(self, stream: Stream, version: str) -> str:
        """Apply changes as they come; a watch that breaks off goes on after the last of them."""
        rest: list[bytes] = []
        try:
            for piece in stream:
                head, newline, tail = piece.rpartition(b"\n")
                if newline:
                    for line in b"".join([*rest, head]).splitlines():
                        version = self._apply(json.loads(line)) or version
                    rest = []
                    self._changed()
                rest.append(tail)
                if sum(map(len, rest)) > _LARGEST_CHANGE:
                    raise _ExpiredError
                if self._stopped.is_set():
                    break
        except ApiError as failure:
            if failure.status is not None:
                raise
            self._failing_since = self._failing_since or time.monotonic()
            self._stopped.wait(random.uniform(0.05, 0.3))  # noqa: S311 - jitter
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
                self._past[found["metadata"]["uid"]] = found
            case _:
                self._objects[found["metadata"]["uid"]] = found
        return str(found["metadata"]["resourceVersion"])
