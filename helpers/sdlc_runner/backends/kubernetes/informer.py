"""Copies of the cluster's objects that are kept up to date: one list, then one watch.

However many attempts a process follows, each kind of object has one informer, and no pod is polled.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sdlc_runner.backends.kubernetes.api import JITTER, Backoff
from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.backends.kubernetes.job_state import JobPhase, JobState, has_ended, states
from sdlc_runner.backends.kubernetes.jobs import pair, selector
from sdlc_runner.backends.kubernetes.objects import EventView, JobView, PodView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sdlc_runner.backends.kubernetes.api import JsonObject, KubeApi, Stream
    from sdlc_runner.backends.kubernetes.jobs import JobRecord

_GONE = 410
_WATCH_SECONDS = 240
SILENCE_SECONDS = 90.0  # bookmarks come every minute
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_REFUSED_SECONDS = 20.0
_OUTAGE_SECONDS = 600.0
_LARGEST_CHANGE = 16 << 20
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


_View = TypeVar("_View")


class _ExpiredError(Exception):
    """The watch is too far behind: list again."""


class Informer(Generic[_View]):
    """The objects of one kind that a selector names; ``changed`` is called after every change.

    Each object is parsed once, when it arrives.

    ``silence``: seconds without a byte after which a watch is taken for dead.
    """

    def __init__(
        self,
        api: KubeApi,
        kind: str,
        parse: Callable[[JsonObject], _View],
        query: Mapping[str, str],
        changed: Callable[[], None],
        silence: float = SILENCE_SECONDS,
    ) -> None:
        self._api = api
        self._path = api.path(kind)
        self._parse = parse
        self._query = dict(query)
        self._changed = changed
        self._silence = silence
        self._objects: dict[str, _View] = {}
        self._past: dict[str, _View] = {}
        self._synced = threading.Event()
        self._stopped = threading.Event()
        self._stream: Stream | None = None
        self._failing_since: float | None = None
        self._failure: ApiError | None = None
        threading.Thread(target=self._run, name=f"informer of {kind}", daemon=True).start()

    def objects(self) -> list[_View]:
        """Return what there is; raises the failure that has lasted for too long."""
        failure, since = self._failure, self._failing_since
        if failure is not None and since is not None:
            most = _REFUSED_SECONDS if failure.is_unauthorized else _OUTAGE_SECONDS
            if time.monotonic() - since > most:
                raise failure
        return self.newest()

    def newest(self) -> list[_View]:
        """Return what there was when it could be read last."""
        return list(self._objects.values())

    def past(self) -> list[_View]:
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
            kept = {item["metadata"]["uid"]: self._parse(item) for item in found.get("items") or ()}
            version = str(found["metadata"]["resourceVersion"])
        except _UNREADABLE:
            raise ApiError(None, "", f"{self._path}: the answer is not a list.") from None
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
            "timeoutSeconds": str(_WATCH_SECONDS + JITTER.randint(0, 60)),
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
            self._stopped.wait(JITTER.uniform(0.05, 0.3))
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
                self._past[found["metadata"]["uid"]] = self._parse(found)
            case _:
                self._objects[found["metadata"]["uid"]] = self._parse(found)
        return str(found["metadata"]["resourceVersion"])


# What comes together is read together: in a flood, for some times as long as reading takes.
_SHORTEST_GATHERING, _LONGEST_GATHERING = 0.003, 0.06
_GATHERINGS = 10


class FeatureWatch:
    """Where the attempts of one feature are, kept up to date by informers of Jobs, pods, events.

    ``wait`` ends at every change, and at ``wake``.
    """

    def __init__(self, api: KubeApi, scope: str) -> None:
        query = selector(scope)
        self._woken = threading.Condition()
        self._wakes = self._heeded = 0
        self._waited = time.monotonic()
        self._changes, self._seen = 0, -1
        self._states: dict[str, JobState] = {}
        self._jobs = Informer(api, "jobs", JobView.of, query, self._change)
        self._pods = Informer(api, "pods", PodView.of, query, self._change)
        self._events = Informer(api, "events", EventView.of, {}, self._change)

    def _change(self) -> None:
        with self._woken:
            self._changes += 1
        self.wake()

    def wake(self) -> None:
        """End the ``wait`` of other threads."""
        with self._woken:
            self._wakes += 1
            self._woken.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until something has happened since the last wait, at most so long."""
        busy = time.monotonic() - self._waited
        with self._woken:
            woken = self._woken.wait_for(lambda: self._wakes != self._heeded, seconds)
            self._heeded = self._wakes
        if woken:
            time.sleep(min(max(_GATHERINGS * busy, _SHORTEST_GATHERING), _LONGEST_GATHERING))
        self._waited = time.monotonic()

    @property
    def outage(self) -> float:
        """For how many seconds the cluster has not answered."""
        return max(self._jobs.outage, self._pods.outage)

    def state(self, uid: str) -> JobState | None:
        """Return where the attempt of a Job's uid is; None: not known yet.

        Raises ``ApiError`` after a long outage. Events that cannot be read are left out.
        """
        changes = self._changes
        jobs, pods = self._jobs.objects(), self._pods.objects()
        if not (self._jobs.synced and self._pods.synced):
            return None
        if self._seen != changes:
            ended = [pod for pod in self._pods.past() if has_ended(pod)]
            self._states = states(jobs, [*ended, *pods], self._events.newest())
            self._seen = changes
        return self._states.get(uid, JobState(JobPhase.GONE))

    def attempts(self) -> list[JobRecord] | None:
        """Return the attempts that there are; None: not known yet; raises as ``state`` does."""
        jobs, pods = self._jobs.objects(), self._pods.objects()
        return pair(jobs, pods) if self._jobs.synced and self._pods.synced else None

    def stop(self) -> None:
        """Watch no more."""
        self._jobs.stop()
        self._pods.stop()
        self._events.stop()
