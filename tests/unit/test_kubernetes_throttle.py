"""The client's own limits: how many requests a second, and how long to wait after a failure."""

from __future__ import annotations

import threading
import time

from sdlc_runner.backends.kubernetes.api import Backoff, Throttle


def test_a_seconds_worth_goes_out_at_once_and_the_rest_in_time() -> None:
    throttle = Throttle(50)
    began = time.monotonic()
    for _ in range(50):
        throttle.take()
    assert time.monotonic() - began < 0.3
    for _ in range(20):
        throttle.take()
    assert 0.35 < time.monotonic() - began < 1.5


def take(throttle: Throttle, times: int) -> None:
    for _ in range(times):
        throttle.take()


def test_threads_share_one_rate() -> None:
    throttle = Throttle(40)
    began = time.monotonic()
    threads = [threading.Thread(target=take, args=(throttle, 15)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.45 < time.monotonic() - began < 2


def test_a_rest_is_not_saved_up_for_more_than_a_second() -> None:
    throttle = Throttle(10)
    time.sleep(0.5)
    began = time.monotonic()
    for _ in range(14):
        throttle.take()
    assert time.monotonic() - began > 0.35


def test_pauses_double_up_to_the_longest_and_differ() -> None:
    backoff = Backoff(0.1, 1.0)
    pauses = [backoff.next() for _ in range(200)]
    for number, pause in enumerate(pauses):
        expected = min(0.1 * 2**number, 1.0)
        assert 0.5 * expected <= pause <= 1.5 * expected
    assert len(set(pauses[4:])) > 100
    backoff.reset()
    assert backoff.next() <= 0.15


def test_a_server_that_says_when_is_not_asked_before() -> None:
    backoff = Backoff(0.1, 1.0)
    assert backoff.next(7) == 7
    assert backoff.next() <= 0.3
