"""Jobs and pods, read by two requests between which the cluster goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sdlc_runner.backends.kubernetes import jobs
from sdlc_runner.backends.kubernetes.job_spec import RUNNER
from support.kubernetes.api_wire import bare, opened
from support.kubernetes.fake_api_server import FakeApi, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sdlc_runner.backends.kubernetes.api import KubeApi
    from sdlc_runner.backends.kubernetes.jobs import JobRecord
    from support.kubernetes.fake_api_server import JsonObject, Reply, Request

    Read = Callable[[KubeApi], JobRecord]

WORKING: JsonObject = {"active": 1}
FAILED: JsonObject = {
    "conditions": [{"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded"}]
}
DELETED: JsonObject = {
    "metadata": {
        "name": "one-abc",
        "uid": "p",
        "ownerReferences": [{"kind": "Job", "uid": "j"}],
        "deletionTimestamp": "2026-11-23T09:00:00Z",
    },
    "status": {
        "phase": "Failed",
        "containerStatuses": [{"name": RUNNER, "state": {"terminated": {"exitCode": 143}}}],
    },
}


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    yield from bare()


def job(status: JsonObject) -> JsonObject:
    return {"metadata": {"name": "one", "uid": "j"}, "spec": {}, "status": status}


def listing(api: KubeApi) -> JobRecord:
    (found,) = jobs.list_all(api, "scope")
    return found


def finding(api: KubeApi) -> JobRecord:
    found = jobs.get(api, "one")
    assert found is not None
    return found


@pytest.mark.parametrize("read", [listing, finding])
def test_a_pod_that_goes_between_the_requests_has_ended(
    fake: FakeApi, tmp_path: Path, read: Read
) -> None:
    """Its Job says that it failed before Kubernetes lets the pod go, as a real one was seen to."""
    now: dict[str, Any] = {"job": job(WORKING), "pods": [DELETED]}

    def answer(request: Request, reply: Reply) -> None:
        if request.path.endswith("/pods"):
            reply.whole(listed(*now["pods"]))
        else:
            reply.whole(now["job"] if request.path.endswith("/one") else listed(now["job"]))
        now.update(job=job(FAILED), pods=[])

    fake.on("list", answer)
    ending = read(opened(fake, tmp_path)).state.ending
    assert (ending.known, ending.alive) == (True, False)
    assert ending.cause is not None
    assert ending.cause.code == "pod_deleted"
