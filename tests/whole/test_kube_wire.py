"""The transport on the wire: what a real API server will not do on command.

A fake one answers over real connections; what is followed must be exact all the same.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

from fake_api import FakeApi, Reply, Request, kubeconfig, listed, named, pieces
from rig import until
from sdlc_runner import __version__
from sdlc_runner.kube import template
from sdlc_runner.kube.access import Access, open_api
from sdlc_runner.kube.failure import ApiError
from sdlc_runner.kube.mirror import Mirror
from sdlc_runner.kube.pod_log import PodLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sdlc_runner.kube.api import KubeApi

FOREVER = 30.0


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    server = FakeApi()
    yield server
    server.close()


@pytest.fixture
def api(fake: FakeApi, tmp_path: Path) -> KubeApi:
    return opened(fake, tmp_path)


def opened(fake: FakeApi, folder: Path, rate: float = 200) -> KubeApi:
    return open_api(Access(str(kubeconfig(folder / "config", fake.url))), rate)


def good(_request: Request, reply: Reply) -> None:
    reply.whole(listed(named("a")))


def status(code: int, **headers: str) -> Callable[[Request, Reply], None]:
    return lambda _request, reply: reply.refuse(code, f"said {code}", **headers)


def cut(_request: Request, reply: Reply) -> None:
    reply.cut()


def silent(_request: Request, reply: Reply) -> None:
    reply.hang()


def get(api: KubeApi) -> list[str]:
    return [item["metadata"]["name"] for item in api.get(api.path("jobs"))["items"]]


def test_every_request_says_who_asks(fake: FakeApi, api: KubeApi) -> None:
    fake.on("list", good)
    assert get(api) == ["a"]
    (request,) = fake.requests
    assert request.headers["user-agent"] == f"sdlc-runner/{__version__}"
    assert request.path == "/apis/batch/v1/namespaces/there/jobs"


def test_429_is_obeyed(fake: FakeApi, api: KubeApi) -> None:
    fake.on("list", status(429, Retry_After="1"), status(429, Retry_After="1"), good)
    assert get(api) == ["a"]
    first, second, third = (request.at for request in fake.requests)
    assert 1 <= second - first < 2
    assert 1 <= third - second < 2


def test_429_for_minutes_is_told_at_once(fake: FakeApi, api: KubeApi) -> None:
    fake.on("list", status(429, Retry_After="300"))
    with pytest.raises(ApiError, match="said 429"):
        get(api)
    assert len(fake.requests) == 1


def test_429_that_does_not_say_when_is_tried_again_out_of_step(fake: FakeApi, api: KubeApi) -> None:
    fake.on("list", *[status(429)] * 3, good)
    assert get(api) == ["a"]
    times = [request.at for request in fake.requests]
    for number in range(3):
        pause = 0.2 * 2**number
        assert 0.5 * pause <= times[number + 1] - times[number] <= 1.5 * pause + 0.3


@pytest.mark.parametrize("answer", [status(500), status(503), cut])
def test_a_moments_failure_is_waited_out(
    fake: FakeApi, api: KubeApi, answer: Callable[[Request, Reply], None]
) -> None:
    fake.on("list", answer, answer, good)
    assert get(api) == ["a"]


def test_a_server_that_has_just_come_back_may_refuse_for_a_moment(
    fake: FakeApi, api: KubeApi
) -> None:
    fake.on("list", cut, status(403), status(401), good)
    assert get(api) == ["a"]


def test_a_refusal_without_an_outage_is_told_at_once(fake: FakeApi, api: KubeApi) -> None:
    fake.on("list", status(403))
    with pytest.raises(ApiError, match="said 403"):
        get(api)
    assert len(fake.requests) == 1


def garbled(body: bytes) -> Callable[[Request, Reply], None]:
    return lambda _request, reply: reply.whole(body, headers={"Content-Type": "text/html"})


@pytest.mark.parametrize(
    "bodies", [(b"", b"{"), (b"<html>Sign in</html>", b"[1]"), (b"\xff\xfe", b"[" * 100_000)]
)
def test_what_is_no_object_is_asked_for_again(
    fake: FakeApi, api: KubeApi, bodies: tuple[bytes, bytes]
) -> None:
    fake.on("list", *map(garbled, bodies), good)
    assert get(api) == ["a"]


@pytest.mark.slow
def test_what_stays_no_object_is_an_error(fake: FakeApi, api: KubeApi) -> None:
    fake.on("list", garbled(b"null"))
    with pytest.raises(ApiError, match="The answer is no JSON object"):
        get(api)
    assert 3 < len(fake.requests) < 12


def test_a_redirect_is_not_followed(fake: FakeApi, api: KubeApi) -> None:
    """It would carry the token to wherever it points."""
    elsewhere = FakeApi()
    fake.on("list", status(302, Location=f"{elsewhere.url}/stolen"))
    with pytest.raises(ApiError) as raised:
        get(api)
    assert raised.value.status == 302
    assert not elsewhere.requests
    elsewhere.close()


def test_an_answer_that_stops_in_the_middle_is_no_answer(fake: FakeApi, api: KubeApi) -> None:
    def half(_request: Request, reply: Reply) -> None:
        reply.chunk(b'{"items": [], "metadata": {"resourceVersion": "1"}}')
        reply.cut()

    fake.on("list", half, good)
    assert get(api) == ["a"]


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


def test_the_one_template_of_a_namespace_is_found(fake: FakeApi, api: KubeApi) -> None:
    pod = {"spec": {"containers": [{"name": "runner"}]}}
    fake.on(
        "podtemplates", lambda _request, reply: reply.whole(listed(named("chart", template=pod)))
    )
    assert template.from_namespace(api, "").source == "there/chart"
    assert template.from_namespace(api, "chart").is_single
    selectors = [request.query.get("labelSelector") for request in fake.requests]
    assert selectors == ["app.kubernetes.io/component=pod-template", None]


# Watches.


def mirrored(api: KubeApi, silence: float = 20) -> Mirror:
    return Mirror(api, "jobs", {"labelSelector": "x=y"}, lambda: None, silence)


def names(mirror: Mirror) -> list[str]:
    return sorted(item["metadata"]["name"] for item in mirror.objects())


def quiet(request: Request, reply: Reply) -> None:
    """A watch on which nothing happens."""
    reply.event("BOOKMARK", named("", version=request.query["resourceVersion"]))
    reply.hang()


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
def test_a_watch_that_is_too_old_is_begun_anew_with_a_list(
    fake: FakeApi, api: KubeApi, answer: Callable[[Request, Reply], None]
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


# Logs.

LINES = [f"2026-11-23T09:00:{n // 8:02}.{n % 8 * 125_000_000:09}Z line {n}\n" for n in range(80)]
LOG = "".join(LINES).encode()
TEXTS = b"".join(b"line %d\n" % n for n in range(80))


def logged(api: KubeApi, silence: float = 20) -> PodLog:
    return PodLog(api, "pod", "runner", silence, lambda: None)


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


def rest(request: Request) -> bytes:
    """What a kubelet has of the log from a time on."""
    start = request.query.get("sinceTime", "")[:19]
    return "".join(line for line in LINES if line[:19] >= start).encode()


def serve(request: Request, reply: Reply) -> None:
    reply.chunk(rest(request))
    if "follow" in request.query:
        reply.hang()
    reply.end()


def limited(size: int, end: Callable[[Reply], None]) -> Callable[[Request, Reply], None]:
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
    fake.on("log", *(limited(size, end) for size in (3, 500, 900, 1300)), serve)
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

    fake.on("log", slow, serve)
    assert whole_of(logged(api, silence=1)) == TEXTS


@pytest.mark.parametrize("code", [400, 403, 404, 429, 500, 503])
def test_a_log_that_is_refused_for_a_moment_is_asked_for_again(
    fake: FakeApi, api: KubeApi, code: int
) -> None:
    fake.on("log", status(code), status(code), serve)
    assert whole_of(logged(api)) == TEXTS


def test_a_log_heeds_retry_after(fake: FakeApi, api: KubeApi) -> None:
    fake.on("log", status(429, Retry_After="1"), serve)
    assert whole_of(logged(api)) == TEXTS
    first, second = (request.at for request in fake.of("log")[:2])
    assert second - first >= 1


def test_streams_that_end_at_once_are_not_opened_in_a_storm(fake: FakeApi, api: KubeApi) -> None:
    fake.on("log", lambda _request, reply: reply.end())
    log = logged(api)
    time.sleep(2)
    log.close()
    assert len(fake.requests) < 10


def test_the_end_is_read_again_if_it_was_cut_cleanly(fake: FakeApi, api: KubeApi) -> None:
    """A kubelet that dies ends its streams as if they were whole."""
    fake.on("log", limited(300, Reply.hang), limited(600, Reply.end), status(500), serve)
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


def test_closing_gives_threads_and_connections_back_at_once(fake: FakeApi, api: KubeApi) -> None:
    fake.on("list", good)
    fake.on("watch", quiet)
    fake.on("log", serve)
    logs = [logged(api, silence=FOREVER) for _ in range(20)]
    mirrors = [mirrored(api, silence=FOREVER) for _ in range(3)]
    until(lambda: len(fake.of("log")) == 20 and len(fake.of("watch")) == 3)
    until(lambda: all(log.take()[0] for log in logs))
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
