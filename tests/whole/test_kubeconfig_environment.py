"""What a process's environment says of the way to a cluster: a proxy, or that it is in a pod."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.kubernetes.api_wire import Authority, founded
from support.kubernetes.fake_api_server import kubeconfig

authority = pytest.fixture(scope="module")(founded)


@dataclass
class Proxy:
    """A proxy that knows CONNECT and nothing else."""

    targets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += near.recv(4096)
        method, target, _ = head.split(b" ", 2)
        assert method == b"CONNECT"
        self.targets.append(target.decode())
        host, _, port = target.decode().partition(":")
        far = socket.create_connection((host, int(port)))
        with near, far:
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(far, near), daemon=True)
            back.start()
            _copy(near, far)
            back.join()

    def close(self) -> None:
        self._listener.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


LIST = """
import sys
from sdlc_runner.backends.kubernetes.kubeconfig import ClusterConfig, open_api
api = open_api(ClusterConfig(*sys.argv[1:]), 100)
print(api.namespace, [item["metadata"]["name"] for item in api.get(api.path("jobs"))["items"]])
"""


def in_a_process(*args: str, before: str = "", **env: str) -> str:
    """List Jobs in a process with its own environment."""
    import sdlc_runner  # noqa: PLC0415 - only for its place

    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        [sys.executable, "-c", before + LIST, *args],
        env={**kept, "PYTHONPATH": str(Path(sdlc_runner.__file__).parents[1]), **env},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_proxy_of_the_environment_is_used_unless_it_is_reported_not_to(
    authority: Authority, tmp_path: Path
) -> None:
    server, proxy = authority.server(), Proxy()
    trusted = {"certificate-authority": authority.path("ca.crt")}
    path = str(kubeconfig(tmp_path / "config", server.url, cluster=trusted))
    assert in_a_process(path, HTTPS_PROXY=proxy.url) == "there ['a']"
    assert proxy.targets == [f"127.0.0.1:{server.port}"]
    assert in_a_process(path, HTTPS_PROXY=proxy.url, NO_PROXY="127.0.0.1") == "there ['a']"
    assert len(proxy.targets) == 1
    proxy.close()
    server.close()


# The official client reads the files of a service account at a fixed place: here it is another.
IN_CLUSTER = """
from kubernetes.config import incluster_config
incluster_config.SERVICE_TOKEN_FILENAME = {token!r}
incluster_config.SERVICE_CERT_FILENAME = {authority!r}
"""


def test_in_a_pod_its_service_account_signs_in(authority: Authority, tmp_path: Path) -> None:
    server = authority.server()
    (tmp_path / "token").write_text("account-token")
    (tmp_path / "namespace").write_text("of-the-pod\n")
    before = IN_CLUSTER.format(token=str(tmp_path / "token"), authority=authority.path("ca.crt"))
    found = in_a_process(
        before=before,
        HOME=str(tmp_path),
        KUBERNETES_SERVICE_HOST="127.0.0.1",
        KUBERNETES_SERVICE_PORT=str(server.port),
    )
    assert found == "of-the-pod ['a']"
    assert server.requests[0].headers["authorization"].lower() == "bearer account-token"
    server.close()
