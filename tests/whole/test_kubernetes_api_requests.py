"""Requests on the wire: what a real API server answers now and then, but not on command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdlc_runner import __version__
from sdlc_runner.backends.kubernetes import pod_template
from sdlc_runner.backends.kubernetes.errors import ApiError
from support.kubernetes.api_wire import bare, cut, get, good, opened, status
from support.kubernetes.fake_api_server import Answer, FakeApi, Reply, Request, listed, named

if TYPE_CHECKING:
    from sdlc_runner.backends.kubernetes.api import KubeApi

fake = pytest.fixture(bare)
api = pytest.fixture(opened)


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


def test_429_for_minutes_is_reported_at_once(fake: FakeApi, api: KubeApi) -> None:
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
def test_a_moments_failure_is_waited_out(fake: FakeApi, api: KubeApi, answer: Answer) -> None:
    fake.on("list", answer, answer, good)
    assert get(api) == ["a"]


def test_a_server_that_has_just_come_back_may_refuse_for_a_moment(
    fake: FakeApi, api: KubeApi
) -> None:
    fake.on("list", cut, status(403), status(401), good)
    assert get(api) == ["a"]


def test_a_refusal_without_an_outage_is_reported_at_once(fake: FakeApi, api: KubeApi) -> None:
    fake.on("list", status(403))
    with pytest.raises(ApiError, match="said 403"):
        get(api)
    assert len(fake.requests) == 1


def garbled(body: bytes) -> Answer:
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
    with pytest.raises(ApiError, match="The answer is not a JSON object"):
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


def test_the_one_template_of_a_namespace_is_found(fake: FakeApi, api: KubeApi) -> None:
    pod = {"spec": {"containers": [{"name": "runner"}]}}
    fake.on(
        "podtemplates", lambda _request, reply: reply.whole(listed(named("chart", template=pod)))
    )
    assert pod_template.from_namespace(api, "").source == "there/chart"
    assert pod_template.from_namespace(api, "chart").is_single
    selectors = [request.query.get("labelSelector") for request in fake.requests]
    assert selectors == ["app.kubernetes.io/component=pod-template", None]
