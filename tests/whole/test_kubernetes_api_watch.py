"""Watches on the wire: however they end, what is mirrored is what there is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.harness import until
from support.kubernetes.api_wire import bare, good, mirrored, opened, quiet, status
from support.kubernetes.fake_api_server import (
    Answer,
    FakeApi,
    JsonObject,
    Reply,
    Request,
    listed,
    named,
)

if TYPE_CHECKING:
    from sdlc_runner.backends.kubernetes.api import KubeApi
    from sdlc_runner.backends.kubernetes.informer import Informer

fake = pytest.fixture(bare)
api = pytest.fixture(opened)


def names(mirror: Informer[JsonObject]) -> list[str]:
    return sorted(item["metadata"]["name"] for item in mirror.objects())


def test_a_mirror_lists_once_and_then_watches(fake: FakeApi, api: KubeApi) -> None:
    def changes(_request: Request, reply: Reply) -> None:
        reply.event("ADDED", named("b", "2"))
        reply.event("DELETED", named("a", "3"))
        reply.event("MODIFIED", named("b", "4", spec={"suspend": True}))
        reply.hang()

    fake.on("list", good)
    fake.on("watch", changes)
    mirror = mirrored(api)
    until(lambda: any("spec" in item for item in mirror.objects()))
    assert names(mirror) == ["b"]
    assert [request.kind for request in fake.requests] == ["list", "watch"]
    query = fake.of("watch")[0].query
    assert (query["resourceVersion"], query["labelSelector"]) == ("1", "x=y")
    assert query["allowWatchBookmarks"] == "true"
    mirror.stop()


def expired(_request: Request, reply: Reply) -> None:
    reply.event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "old"})
    reply.end()


@pytest.mark.parametrize("answer", [expired, status(410)])
def test_a_watch_that_is_too_old_is_begun_again_with_a_list(
    fake: FakeApi, api: KubeApi, answer: Answer
) -> None:
    newer = listed(named("b", "7"), named("c", "8"), version="9")
    fake.on("list", good, lambda _request, reply: reply.whole(newer))
    fake.on("watch", answer, quiet)
    mirror = mirrored(api)
    until(lambda: names(mirror) == ["b", "c"])
    until(lambda: len(fake.of("watch")) == 2)
    assert fake.of("watch")[1].query["resourceVersion"] == "9"
    assert len(fake.of("list")) == 2
    mirror.stop()


def test_a_watch_that_is_cut_goes_on_after_its_last_change(fake: FakeApi, api: KubeApi) -> None:
    def cut_after_two(_request: Request, reply: Reply) -> None:
        reply.event("ADDED", named("b", "5"))
        reply.chunk(json.dumps({"type": "ADDED", "object": named("c", "6")}).encode()[:-9])
        reply.cut()

    def rest(_request: Request, reply: Reply) -> None:
        reply.event("ADDED", named("c", "6"))
        reply.hang()

    fake.on("list", good)
    fake.on("watch", cut_after_two, rest)
    mirror = mirrored(api)
    until(lambda: names(mirror) == ["a", "b", "c"])
    assert [request.query["resourceVersion"] for request in fake.of("watch")] == ["1", "5"]
    assert len(fake.of("list")) == 1
    mirror.stop()


def test_a_watch_on_a_dead_connection_is_noticed(fake: FakeApi, api: KubeApi) -> None:
    """No FIN, no RST: only the silence tells, for bookmarks would come."""
    fake.on("list", good)
    fake.on("watch", quiet)
    mirror = mirrored(api, silence=0.4)
    until(lambda: len(fake.of("watch")) >= 3)
    assert len(fake.of("list")) == 1
    assert names(mirror) == ["a"]
    mirror.stop()


@pytest.mark.parametrize(
    "garbage", [b"{\n", b"[]\n", b'"x"\n', b'{"type": "ADDED"}\n', b"\xff\n", b"[" * 90_000 + b"\n"]
)
def test_garbage_in_a_watch_costs_a_list_and_no_more(
    fake: FakeApi, api: KubeApi, garbage: bytes
) -> None:
    def babble(_request: Request, reply: Reply) -> None:
        reply.chunk(garbage)
        reply.hang()

    fake.on("list", good, lambda _request, reply: reply.whole(listed(named("b"))))
    fake.on("watch", babble, quiet)
    mirror = mirrored(api)
    until(lambda: names(mirror) == ["b"])
    mirror.stop()


def test_a_change_without_an_end_is_given_up(fake: FakeApi, api: KubeApi) -> None:
    def enormous(_request: Request, reply: Reply) -> None:
        for _ in range(20):
            reply.chunk(b"x" * (1 << 20))
        reply.hang()

    fake.on("list", good, lambda _request, reply: reply.whole(listed(named("b"))))
    fake.on("watch", enormous, quiet)
    mirror = mirrored(api)
    until(lambda: names(mirror) == ["b"])
    mirror.stop()
