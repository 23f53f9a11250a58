"""What is told when a host that an attempt needs takes no connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.errors import Code, UnreachableError
from sdlc_runner.worker import preflight
from sdlc_runner.worker.preflight import NOWHERE, Preflight
from support import unreachable_ports

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdlc_runner.worker.preflight import Way

SHORT = Preflight(1)


def way(port: int) -> Way | None:
    return preflight.way(f"http://127.0.0.1:{port}/v1", {})


def raised(call: Callable[[], None]) -> UnreachableError:
    with pytest.raises(UnreachableError) as caught:
        call()
    assert caught.value.code is Code.UNREACHABLE_HOST
    return caught.value


def never() -> Way | None:
    raise AssertionError("nobody may ask")


def test_a_git_host_without_an_answer() -> None:
    with unreachable_ports.silent() as port:
        error = raised(lambda: SHORT.require_git(f"ssh://git@127.0.0.1:{port}/app"))
    assert error.message == f"The git host 127.0.0.1:{port} did not connect in 1 s: no answer."
    assert error.hint == (
        "Name its address and port in the chart's value networkPolicy.git, or correct `clone.url`."
    )


def test_a_name_that_does_not_resolve_is_a_matter_of_dns() -> None:
    error = raised(lambda: SHORT.require_git("https://no-such-host.invalid/app"))
    assert "no-such-host.invalid:443 did not connect in 1 s" in error.message
    assert "its name does not resolve" in error.message
    assert "networkPolicy.dns" in error.hint


def test_a_proxy_is_named_instead_of_the_host_behind_it() -> None:
    with unreachable_ports.silent() as port:
        reach = Preflight(1, {"HTTPS_PROXY": f"http://user:secret@127.0.0.1:{port}"})
        error = raised(lambda: reach.require_git("https://git.example/app"))
    said = f"The proxy 127.0.0.1:{port} on the way to the git host git.example:443 did not connect"
    assert error.message.startswith(said)
    assert "networkPolicy.proxy" in error.hint
    assert "secret" not in error.message + error.hint


def test_a_path_and_a_host_that_answers_are_well() -> None:
    with unreachable_ports.taking() as port:
        SHORT.require_git("/srv/git/app.git")
        SHORT.require_git(f"http://127.0.0.1:{port}/app")
        SHORT.require_model(way(port), never)


def test_without_seconds_nothing_is_tried() -> None:
    with unreachable_ports.silent() as port:
        NOWHERE.require_git(f"http://127.0.0.1:{port}/app")
        NOWHERE.require_model(way(port), never)


def test_a_model_that_no_one_knows_is_not_tried() -> None:
    SHORT.require_model(None, never)


def test_a_model_is_asked_for_exactly_before_it_is_given_up() -> None:
    with unreachable_ports.silent() as guess, unreachable_ports.taking() as real:
        SHORT.require_model(way(guess), lambda: way(real))
        SHORT.require_model(way(guess), lambda: None)
        error = raised(lambda: SHORT.require_model(way(guess), lambda: way(guess)))
    assert error.message.startswith(f"The model endpoint 127.0.0.1:{guess} did not connect in 1 s")
    assert "networkPolicy.model" in error.hint


def test_asking_counts_as_waiting() -> None:
    def find() -> Way | None:
        time.sleep(0.6)
        return way(port)

    with unreachable_ports.silent() as port:
        began = time.monotonic()
        raised(lambda: Preflight(3).require_model(way(port), find))
        assert 2.9 < time.monotonic() - began < 3.5
