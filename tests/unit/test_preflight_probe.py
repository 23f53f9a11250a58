"""Whether a host takes a connection, asked of real sockets."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

import pytest

from sdlc_runner.worker import preflight
from sdlc_runner.worker.preflight import Host
from sdlc_runner.worker.shutdown import ShutdownRequested, Stop
from support import unreachable_ports

HERE = "127.0.0.1"


def test_a_host_that_listens_costs_no_time() -> None:
    with unreachable_ports.taking() as port:
        began = time.monotonic()
        assert preflight.refusal(Host(HERE, port), 30) == ""
        assert time.monotonic() - began < 0.1


def test_nothing_is_sent() -> None:
    with socket.create_server((HERE, 0)) as door:
        assert preflight.refusal(Host(HERE, door.getsockname()[1]), 5) == ""
        taken, _ = door.accept()
        with taken:
            assert taken.recv(1) == b""


def test_a_silent_host_is_waited_for_no_longer_than_said() -> None:
    with unreachable_ports.silent() as port:
        began = time.monotonic()
        assert preflight.refusal(Host(HERE, port), 1) == "no answer"
        assert 0.9 < time.monotonic() - began < 1.5


def test_a_host_that_refuses_is_asked_again_until_the_time_is_over() -> None:
    with unreachable_ports.refusing() as port:
        began = time.monotonic()
        assert preflight.refusal(Host(HERE, port), 1.2) == "Connection refused"
        assert 0.6 < time.monotonic() - began < 1.3


def test_a_host_that_comes_up_meanwhile_is_well() -> None:
    with unreachable_ports.refusing() as port:
        pass
    doors: list[socket.socket] = []
    opening = threading.Timer(0.7, lambda: doors.append(socket.create_server((HERE, port))))
    opening.start()
    assert preflight.refusal(Host(HERE, port), 10) == ""
    opening.join()
    doors[0].close()


def test_one_address_that_takes_it_is_enough() -> None:
    """``localhost`` has two addresses on most machines; only one of them listens here."""
    with unreachable_ports.taking() as port:
        assert preflight.refusal(Host("localhost", port), 5) == ""


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a" * 250, "x..y", ".", "999.1.1.1"])
def test_a_name_that_does_not_resolve_is_reported(name: str) -> None:
    assert preflight.refusal(Host(name, 443), 0.5) == preflight.UNRESOLVED


def test_a_request_to_stop_breaks_it_off() -> None:
    stop, before = Stop(), signal.getsignal(signal.SIGTERM)
    stop.listen()
    try:
        with unreachable_ports.silent() as port, stop.may_break_in():
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
            began = time.monotonic()
            with pytest.raises(ShutdownRequested):
                preflight.refusal(Host(HERE, port), 20)
            assert time.monotonic() - began < 2
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, signal.default_int_handler)
