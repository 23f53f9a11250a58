"""A way from 127.0.0.1 to Services of the cluster.

In the test cluster of this machine it is a process in the cluster's network, which works while
the API server does not; elsewhere it is ``kubectl port-forward``, started again when it ends.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner import process

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from support.cluster.kit import Kit
    from support.cluster.kubectl import Kubectl

Ways = dict["tuple[str, int]", int]
_END = Path(__file__).with_name("relay_end.py")
_PAUSE = 0.3


def relay(
    kubectl: Kubectl, kit: Kit | None, services: Mapping[str, tuple[int, ...]]
) -> contextlib.AbstractContextManager[Ways]:
    """Open a port of this machine for each port of each Service, for a ``with`` block."""
    return through_network(kubectl, kit, services) if kit else through_api(kubectl, services)


@contextlib.contextmanager
def through_network(
    kubectl: Kubectl, kit: Kit, services: Mapping[str, tuple[int, ...]]
) -> Iterator[Ways]:
    """Relay by a process in the cluster's network."""
    with contextlib.ExitStack() as stack:
        ways: Ways = {}
        arguments, listeners = [], []
        for name, ports in services.items():
            address = kubectl.get("service", name)["spec"]["clusterIP"]
            for port in ports:
                listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
                ways[name, port] = listener.getsockname()[1]
                arguments.append(f"{listener.fileno()}={address}:{port}")
                listeners.append(listener.fileno())
        child = kit.start_in_network([sys.executable, str(_END), *arguments], listeners)
        yield from _while_running(child, ways)


def _while_running(child: subprocess.Popen[bytes], ways: Ways) -> Iterator[Ways]:
    with child:
        assert child.stdin
        try:
            yield ways
            assert child.poll() is None, "the relay ended by itself"
        finally:
            child.stdin.close()


@contextlib.contextmanager
def through_api(kubectl: Kubectl, services: Mapping[str, tuple[int, ...]]) -> Iterator[Ways]:
    """Relay by ``kubectl port-forward``."""
    ways: Ways = {}
    with contextlib.ExitStack() as stack:
        for name, ports in services.items():
            pairs = {port: _free_port() for port in ports}
            ways.update({(name, port): local for port, local in pairs.items()})
            stack.enter_context(_forwarding(kubectl, name, pairs))
        yield ways


@contextlib.contextmanager
def _forwarding(kubectl: Kubectl, name: str, ports: Mapping[int, int]) -> Iterator[None]:
    pairs = [f"{local}:{port}" for port, local in ports.items()]
    argv = [*kubectl.argv, "port-forward", f"service/{name}", *pairs]
    ended = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def keep() -> None:
        while not ended.is_set():
            with _start(argv) as child:
                running[:] = [child]
                if ended.is_set():
                    child.terminate()
            ended.wait(_PAUSE)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        for child in running:
            child.terminate()
        thread.join()


def _start(argv: list[str]) -> subprocess.Popen[bytes]:
    quiet = process.DEVNULL
    return process.start(
        argv, cwd=Path.cwd(), env=os.environ, stdin=quiet, stdout=quiet, stderr=quiet
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
