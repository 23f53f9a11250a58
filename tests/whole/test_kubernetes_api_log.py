"""A pod's log on the wire: however its streams end, each byte comes once and in order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.backends.kubernetes.errors import ApiError
from support.harness import until
from support.kubernetes.api_wire import LINES, bare, logged, opened, rest, serve_log, status
from support.kubernetes.fake_api_server import Answer, FakeApi, Reply, Request, pieces

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdlc_runner.backends.kubernetes.api import KubeApi
    from sdlc_runner.backends.kubernetes.pod_log import PodLog

LOG = "".join(LINES).encode()
TEXTS = b"".join(b"line %d\n" % n for n in range(80))

fake = pytest.fixture(bare)
api = pytest.fixture(opened)


def whole_of(log: PodLog, size: int = len(TEXTS)) -> bytes:
    """Take until there is as much as expected, then have it finish."""
    taken = b""

    def more() -> bool:
        nonlocal taken
        taken += log.take()[0]
        return len(taken) >= size

    until(more)
    log.finish()
    until(lambda: log.over)
    taken += log.take()[0]
    log.close()
    return taken


def limited(size: int, end: Callable[[Reply], None]) -> Answer:
    def answer(request: Request, reply: Reply) -> None:
        reply.chunk(rest(request)[:size])
        end(reply)

    return answer


def broken_chunk(reply: Reply) -> None:
    reply.raw(b"1000\r\nline")
    reply.cut()


ENDS = {
    "a clean end": Reply.end,
    "cut": Reply.cut,
    "a broken chunk": broken_chunk,
    "silence": Reply.hang,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_log_whose_stream_ends_in_any_way_is_gone_on_with(
    fake: FakeApi, api: KubeApi, end: Callable[[Reply], None]
) -> None:
    fake.on("log", *(limited(size, end) for size in (3, 500, 900, 1300)), serve_log)
    assert whole_of(logged(api, silence=0.3)) == TEXTS
    starts = [request.query.get("sinceTime") for request in fake.of("log")]
    assert starts[:2] == [None, None]
    assert all(start and start.endswith("Z") for start in starts[2:])


def test_bytes_may_come_one_by_one(fake: FakeApi, api: KubeApi) -> None:
    def slow(_request: Request, reply: Reply) -> None:
        for piece in pieces(LOG[:60], 1):
            reply.chunk(piece)
            time.sleep(0.05)
        reply.chunk(LOG[60:])
        reply.hang()

    fake.on("log", slow, serve_log)
    assert whole_of(logged(api, silence=1)) == TEXTS


@pytest.mark.parametrize("code", [400, 403, 404, 429, 500, 503])
def test_a_log_that_is_refused_for_a_moment_is_asked_for_again(
    fake: FakeApi, api: KubeApi, code: int
) -> None:
    fake.on("log", status(code), status(code), serve_log)
    assert whole_of(logged(api)) == TEXTS


def test_a_log_heeds_retry_after(fake: FakeApi, api: KubeApi) -> None:
    fake.on("log", status(429, Retry_After="1"), serve_log)
    assert whole_of(logged(api)) == TEXTS
    first, second = (request.at for request in fake.of("log")[:2])
    assert second - first >= 1


def test_the_end_is_read_again_if_it_was_cut_cleanly(fake: FakeApi, api: KubeApi) -> None:
    """A kubelet that dies ends its streams as if they were whole."""
    fake.on("log", limited(300, Reply.hang), limited(600, Reply.end), status(500), serve_log)
    log = logged(api)
    until(lambda: bool(fake.of("log")))
    log.finish()
    until(lambda: log.over)
    assert log.take() == (TEXTS, True)


def test_the_log_of_a_pod_that_is_gone_ends_with_what_its_stream_still_gives(
    fake: FakeApi, api: KubeApi
) -> None:
    def last_words(_request: Request, reply: Reply) -> None:
        reply.chunk(LOG[:400])
        time.sleep(0.5)
        reply.chunk(LOG[400:])
        reply.end()

    fake.on("log", last_words, status(404))
    log = logged(api)
    time.sleep(0.2)
    began = time.monotonic()
    log.finish()
    until(lambda: log.over)
    assert log.take() == (TEXTS, True)
    assert time.monotonic() - began < 4


def test_a_stream_that_is_behind_is_not_given_up_for_a_new_one(fake: FakeApi, api: KubeApi) -> None:
    """What was rotated away meanwhile only the open stream still has."""

    def behind(_request: Request, reply: Reply) -> None:
        for piece in pieces(LOG, 200):
            reply.chunk(piece)
            time.sleep(0.02)
        reply.hang()

    fake.on("log", behind, lambda _request, reply: reply.whole(LOG[-200:]))
    log = logged(api)
    time.sleep(0.1)
    log.finish()
    until(lambda: log.over)
    assert log.take() == (TEXTS, True)


@pytest.mark.slow
def test_a_log_that_stays_refused_is_an_error(fake: FakeApi, api: KubeApi) -> None:
    fake.on("log", status(403))
    log = logged(api)

    def refused() -> bool:
        try:
            log.take()
        except ApiError as failure:
            return failure.status == 403
        return False

    began = time.monotonic()
    until(refused, 40)
    assert 15 < time.monotonic() - began < 40
    log.close()
