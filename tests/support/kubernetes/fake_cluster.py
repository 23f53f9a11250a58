"""A namespace whose Jobs run at once: each has a pod that works until it is let go or ended."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from sdlc_runner.backends.kubernetes.job_spec import RUNNER
from support.cluster.pod_template import Form, pod_template
from support.kubernetes.fake_api_server import FakeApi, listed

if TYPE_CHECKING:
    from support.kubernetes.fake_api_server import JsonObject, Reply, Request

_BORN = "2026-11-23T09:00:00Z"


class FakeCluster:
    """Jobs and pods by name, served at ``api.url``."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self._lock = threading.RLock()
        self._version = 0
        self._objects: dict[str, dict[str, JsonObject]] = {"jobs": {}, "pods": {}, "events": {}}
        self._changes: list[tuple[str, str, JsonObject]] = []
        self.api.on("", self._answer)

    def close(self) -> None:
        """Serve no more."""
        self.api.close()

    def let_go(self) -> None:
        """Have every attempt complete its work."""
        for name in list(self._objects["jobs"]):
            self._end(name, 0, {"type": "Complete", "status": "True"})

    def _end(self, name: str, code: int, condition: JsonObject) -> None:
        with self._lock:
            job, pod = self._objects["jobs"][name], self._objects["pods"][name]
            if job["status"].get("conditions"):
                return
            ended = {"exitCode": code, "reason": "Completed", "startedAt": _BORN}
            statuses = [{"name": RUNNER, "state": {"terminated": ended}}]
            phase = "Succeeded" if code == 0 else "Failed"
            self._put("pods", {**pod, "status": {"phase": phase, "containerStatuses": statuses}})
            self._put("jobs", {**job, "status": {"conditions": [condition]}})

    def _put(self, kind: str, found: JsonObject, change: str = "MODIFIED") -> JsonObject:
        with self._lock:
            self._version += 1
            meta = {**found["metadata"], "resourceVersion": str(self._version)}
            found = {**found, "metadata": meta}
            self._objects[kind][meta["name"]] = found
            if change == "DELETED":
                del self._objects[kind][meta["name"]]
            self._changes.append((kind, change, found))
        return found

    def _answer(self, request: Request, reply: Reply) -> None:
        parts = request.path.split("/namespaces/")[1].split("/")
        kind, name = (*parts[1:], "", "")[:2]
        if request.kind == "watch":
            self._watch(kind, int(request.query["resourceVersion"]), reply)
        elif request.kind == "log":
            self._log(name, request, reply)
        elif request.method == "POST":
            self._create(json.loads(request.body), reply)
        elif not kind:
            reply.whole({"metadata": {"name": parts[0], "uid": "namespace-uid"}})
        elif kind == "podtemplates":
            reply.whole(listed(pod_template(Form.ONE)))
        elif not name:
            with self._lock:
                reply.whole(listed(*self._selected(kind, request), version=str(self._version)))
        elif name not in self._objects[kind]:
            reply.refuse(404, f"{kind} {name} not found")
        else:
            self._one(request, kind, name, reply)

    def _selected(self, kind: str, request: Request) -> list[JsonObject]:
        wanted = request.query.get("labelSelector", "")
        pairs = [pair.split("=") for pair in wanted.split(",") if pair]
        return [
            found
            for found in self._objects[kind].values()
            if all(found["metadata"]["labels"].get(key) == value for key, value in pairs)
        ]

    def _one(self, request: Request, kind: str, name: str, reply: Reply) -> None:
        found = self._objects[kind][name]
        if request.method == "PATCH":
            change = json.loads(request.body)
            notes = {**found["metadata"]["annotations"], **change["metadata"]["annotations"]}
            found = self._put(
                kind, {**found, "metadata": {**found["metadata"], "annotations": notes}}
            )
            reason = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
            self._end(name, 143, reason)
        elif request.method == "DELETE":
            self._put("pods", self._objects["pods"][name], "DELETED")
            self._put("jobs", found, "DELETED")
        reply.whole(found)

    def _create(self, job: JsonObject, reply: Reply) -> None:
        meta = job["metadata"]
        with self._lock:
            if meta["name"] in self._objects["jobs"]:
                reply.refuse(409, "already exists")
                return
            born = {"uid": f"job-{self._version}", "creationTimestamp": _BORN}
            made = self._put("jobs", {**job, "metadata": {**meta, **born}, "status": {}}, "ADDED")
            self._put("pods", self._pod(made), "ADDED")
        reply.whole(made)

    def _pod(self, job: JsonObject) -> JsonObject:
        template, meta = job["spec"]["template"], job["metadata"]
        running = [{"name": RUNNER, "state": {"running": {"startedAt": _BORN}}}]
        return {
            "metadata": {
                "name": meta["name"],
                "uid": f"pod-of-{meta['uid']}",
                "creationTimestamp": _BORN,
                "labels": {**template["metadata"]["labels"], "job-name": meta["name"]},
                "annotations": template["metadata"]["annotations"],
                "ownerReferences": [{"kind": "Job", "uid": meta["uid"]}],
            },
            "spec": template["spec"],
            "status": {"phase": "Running", "containerStatuses": running},
        }

    def _watch(self, kind: str, version: int, reply: Reply) -> None:
        reply.event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})
        while not self.api.is_closed:
            with self._lock:
                news = [each for each in self._changes[version:] if each[0] == kind]
                version = len(self._changes)
            for _, change, found in news:
                reply.event(change, found)
            time.sleep(0.02)

    def _log(self, name: str, request: Request, reply: Reply) -> None:
        stamp = f"{_BORN[:-1]}.000000001Z " if "timestamps" in request.query else ""
        reply.chunk(f"{stamp}at work\n".encode())
        while "follow" in request.query and not self._has_ended(name) and not self.api.is_closed:
            time.sleep(0.02)
        reply.end()

    def _has_ended(self, name: str) -> bool:
        pod: Any = self._objects["pods"].get(name)
        return pod is None or pod["status"]["phase"] != "Running"
