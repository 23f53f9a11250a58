"""Both ends of a wire to an API server: what fake ones answer, and what of ours is opened there.

A test module makes its fixtures of them: ``fake`` of ``bare`` or of ``listing``, ``api`` of
``opened``, ``authority`` of ``founded``.
"""

from __future__ import annotations

import ssl
import subprocess
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner.backends.kubernetes.informer import Informer
from sdlc_runner.backends.kubernetes.kubeconfig import ClusterConfig, open_api
from sdlc_runner.backends.kubernetes.pod_log import PodLog
from support.kubernetes.fake_api_server import FakeApi, kubeconfig, listed, named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from sdlc_runner.backends.kubernetes.api import KubeApi
    from support.kubernetes.fake_api_server import Answer, JsonObject, Reply, Request

LINES = [f"2026-11-23T09:00:{n // 8:02}.{n % 8 * 125_000_000:09}Z line {n}\n" for n in range(80)]


def good(_request: Request, reply: Reply) -> None:
    reply.whole(listed(named("a")))


def status(code: int, **headers: str) -> Answer:
    return lambda _request, reply: reply.refuse(code, f"said {code}", **headers)


def cut(_request: Request, reply: Reply) -> None:
    reply.cut()


def quiet(request: Request, reply: Reply) -> None:
    """A watch on which nothing happens."""
    reply.event("BOOKMARK", named("", version=request.query["resourceVersion"]))
    reply.hang()


def rest(request: Request) -> bytes:
    """What a kubelet has of the log from a time on."""
    start = request.query.get("sinceTime", "")[:19]
    return "".join(line for line in LINES if line[:19] >= start).encode()


def serve_log(request: Request, reply: Reply) -> None:
    reply.chunk(rest(request))
    if "follow" in request.query:
        reply.hang()
    reply.end()


def bare() -> Iterator[FakeApi]:
    """Yield a server that has no answer to anything yet."""
    with closing(FakeApi()) as server:
        yield server


def listing() -> Iterator[FakeApi]:
    """Yield a server that lists one object, whatever is to be listed."""
    with closing(FakeApi()) as server:
        server.on("list", good)
        yield server


@dataclass
class Authority:
    """A certificate authority of a test's own."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=private", "-days", "2"),
        )

    def _openssl(self, *args: str) -> None:
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)

    def sign(self, name: str) -> None:
        """Make ``NAME.key`` and ``NAME.crt``, good for a server at 127.0.0.1 and for a client."""
        (self.folder / "extensions").write_text("subjectAltName = IP:127.0.0.1\n")
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"),
        )
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-out", f"{name}.crt", "-days", "1", "-extfile", "extensions"),
        )

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def server(self, *, wants_clients: bool = False) -> FakeApi:
        """Start a server with a certificate."""
        self.sign("server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("server.crt"), self.path("server.key"))
        if wants_clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.path("ca.crt"))
        server = FakeApi(context)
        server.on("list", good)
        return server


def founded(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


def opened(fake: FakeApi, tmp_path: Path, rate: float = 200) -> KubeApi:
    return open_api(ClusterConfig(str(kubeconfig(tmp_path / "config", fake.url))), rate)


def get(api: KubeApi) -> list[str]:
    return [item["metadata"]["name"] for item in api.get(api.path("jobs"))["items"]]


def jobs(access: ClusterConfig) -> list[str]:
    return get(open_api(access, 100))


def mirrored(api: KubeApi, silence: float = 20) -> Informer[JsonObject]:
    return Informer(api, "jobs", dict, {"labelSelector": "x=y"}, lambda: None, silence)


def logged(api: KubeApi, silence: float = 20) -> PodLog:
    return PodLog(api, "pod", "runner", silence, lambda: None)
