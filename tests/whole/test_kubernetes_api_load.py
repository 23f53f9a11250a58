"""What the transport costs: few connections, one rate, no storms, and memory that has an end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from support.harness import until
from support.kubernetes.api_wire import (
    bare,
    get,
    good,
    logged,
    mirrored,
    opened,
    quiet,
    serve_log,
    status,
)
from support.kubernetes.fake_api_server import FakeApi, Reply, Request, named

if TYPE_CHECKING:
    from pathlib import Path

    from sdlc_runner.backends.kubernetes.api import KubeApi

FOREVER = 30.0

fake = pytest.fixture(bare)
api = pytest.fixture(opened)


def test_requests_share_few_connections_and_one_rate(fake: FakeApi, tmp_path: Path) -> None:
    fake.on("list", good)
    api = opened(fake, tmp_path, rate=20)
    began = time.monotonic()
    threads = [threading.Thread(target=lambda: [get(api) for _ in range(10)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fake.requests) == 50
    assert 1.4 < time.monotonic() - began < 6
    assert fake.most_connections <= 5


def test_lists_that_never_work_do_not_become_a_storm(fake: FakeApi, api: KubeApi) -> None:
    fake.on("list", lambda _request, reply: reply.whole({"kind": "Status"}))
    fake.on("watch", status(410))
    mirror = mirrored(api)
    time.sleep(2)
    mirror.stop()
    assert not mirror.synced
    assert mirror.outage > 1
    assert len(fake.requests) < 10


def test_a_watch_that_ends_at_once_is_not_opened_in_a_storm(fake: FakeApi, api: KubeApi) -> None:
    def at_once(request: Request, reply: Reply) -> None:
        reply.event("BOOKMARK", named("", version=request.query["resourceVersion"]))
        reply.end()

    fake.on("list", good)
    fake.on("watch", at_once)
    mirror = mirrored(api)
    time.sleep(2)
    mirror.stop()
    assert len(fake.requests) < 10


def test_streams_that_end_at_once_are_not_opened_in_a_storm(fake: FakeApi, api: KubeApi) -> None:
    fake.on("log", lambda _request, reply: reply.end())
    log = logged(api)
    time.sleep(2)
    log.close()
    assert len(fake.requests) < 10


def test_closing_gives_threads_and_connections_back_at_once(fake: FakeApi, api: KubeApi) -> None:
    fake.on("list", good)
    fake.on("watch", quiet)
    fake.on("log", serve_log)
    logs = [logged(api, silence=FOREVER) for _ in range(20)]
    mirrors = [mirrored(api, silence=FOREVER) for _ in range(3)]
    until(lambda: len(fake.of("log")) == 20 and len(fake.of("watch")) == 3)
    silent = list(logs)

    def all_have_spoken() -> bool:
        silent[:] = [log for log in silent if not log.take()[0]]
        return not silent

    until(all_have_spoken)
    assert fake.most_connections == 23
    for each in logs:
        each.close()
    for mirror in mirrors:
        mirror.stop()
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith(("log of", "mirror"))])


def test_who_does_not_read_is_not_fed(fake: FakeApi, api: KubeApi) -> None:
    """A consumer that stopped must not fill the memory."""
    sent = 0

    def flood(_request: Request, reply: Reply) -> None:
        nonlocal sent
        for number in range(400):
            stamp = f"2026-11-23T09:00:00.{number:09}Z "
            reply.chunk(stamp.encode() + b"x" * 60_000 + b"\n")
            sent += 1
        reply.hang()

    fake.on("log", flood)
    log = logged(api)
    time.sleep(1.5)
    assert sent < 300
    taken = 0

    def more() -> bool:
        nonlocal taken
        taken += log.take()[0].count(b"\n")
        return taken == 400

    until(more)
    log.close()
