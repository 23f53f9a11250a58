"""How a cluster is reached and signed in to, as users have it: each once, through our own door."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fake_api import FakeApi, Reply, Request, kubeconfig, listed, named
from rig import until
from sdlc_runner.errors import UnreachableError, UsageError
from sdlc_runner.kube.access import Access, open_api
from sdlc_runner.kube.failure import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rig import Rig


def good(_request: Request, reply: Reply) -> None:
    reply.whole(listed(named("a")))


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    server = FakeApi()
    server.on("list", good)
    yield server
    server.close()


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


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


def jobs(access: Access) -> list[str]:
    api = open_api(access, 100)
    return [item["metadata"]["name"] for item in api.get(api.path("jobs"))["items"]]


def test_a_context_is_chosen_by_name_and_brings_its_namespace(
    fake: FakeApi, tmp_path: Path
) -> None:
    config = json.loads(kubeconfig(tmp_path / "one", "http://127.0.0.1:1").read_text())
    config["clusters"].append({"name": "other", "cluster": {"server": fake.url}})
    config["contexts"].append(
        {"name": "two", "context": {"cluster": "other", "user": "u", "namespace": "elsewhere"}}
    )
    path = tmp_path / "two"
    path.write_text(json.dumps(config))
    assert jobs(Access(str(path), "two")) == ["a"]
    assert jobs(Access(str(path), "two", "mine")) == ["a"]
    asked = [request.path.split("/")[5] for request in fake.requests]
    assert asked == ["elsewhere", "mine"]


def test_several_kubeconfigs_are_one(fake: FakeApi, tmp_path: Path) -> None:
    config = kubeconfig(tmp_path / "one", fake.url)
    assert jobs(Access(f"{tmp_path / 'none'}:{config}")) == ["a"]


def test_an_unknown_context_is_told(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    with pytest.raises(UsageError, match="No cluster is configured"):
        open_api(Access(str(path), "nowhere"), 1)


@pytest.mark.parametrize("content", ["", "[]", "{", "a: b", "\0", "apiVersion: v1\nkind: Config\n"])
def test_a_broken_kubeconfig_is_told_and_never_a_traceback(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises((UsageError, UnreachableError)):
        open_api(Access(str(path)), 1)


def test_an_exec_plugins_token_is_renewed_when_it_ends_and_not_before(
    fake: FakeApi, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    plugin = tmp_path / "plugin"
    lasting, ended = (
        (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
        for seconds in (3600, 10)
    )
    plugin.write_text(
        textwrap.dedent(f"""\
        #!{sys.executable}
        import json, pathlib
        calls = pathlib.Path({str(calls)!r})
        count = len(calls.read_text()) + 1 if calls.exists() else 1
        calls.write_text("x" * count)
        ends = {ended!r} if count == 1 else {lasting!r}
        status = {{"token": f"token-{{count}}", "expirationTimestamp": ends}}
        version = "client.authentication.k8s.io/v1"
        print(json.dumps({{"apiVersion": version, "kind": "ExecCredential", "status": status}}))
        """)
    )
    plugin.chmod(0o700)
    made = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(plugin),
        "interactiveMode": "Never",
    }
    path = kubeconfig(tmp_path / "config", fake.url, {"exec": made})
    api = open_api(Access(str(path)), 100)
    threads = [threading.Thread(target=lambda: api.get(api.path("jobs"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tokens = {request.headers["authorization"] for request in fake.requests}
    assert tokens == {"Bearer token-2"}
    assert len(fake.requests) == 8
    assert calls.read_text() == "xx"


def test_an_exec_plugin_that_fails_is_an_error_of_ours(fake: FakeApi, tmp_path: Path) -> None:
    fake.on("list", lambda _request, reply: reply.refuse(401, "Unauthorized"))
    made = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false"}
    path = kubeconfig(tmp_path / "config", fake.url, {"exec": made})
    with pytest.raises((ApiError, UsageError, UnreachableError)):
        jobs(Access(str(path)))


@pytest.mark.parametrize("given", ["token", "tokenFile"])
def test_a_token_goes_with_every_request(fake: FakeApi, tmp_path: Path, given: str) -> None:
    (tmp_path / "token").write_text("secret-token\n")
    user = {given: str(tmp_path / "token") if given == "tokenFile" else "secret-token"}
    jobs(Access(str(kubeconfig(tmp_path / "config", fake.url, user))))
    assert fake.requests[0].headers["authorization"].strip() == "Bearer secret-token"
    assert "secret-token" not in fake.requests[0].path


def test_a_private_authority_is_trusted_and_no_other(authority: Authority, tmp_path: Path) -> None:
    server = authority.server()
    trusted = {"certificate-authority": authority.path("ca.crt")}
    assert jobs(Access(str(kubeconfig(tmp_path / "good", server.url, cluster=trusted)))) == ["a"]
    stranger = Authority(tmp_path / "stranger")
    wrong = {"certificate-authority": stranger.path("ca.crt")}
    api = open_api(Access(str(kubeconfig(tmp_path / "bad", server.url, cluster=wrong))), 100)
    with pytest.raises(ApiError, match="certificate verify failed"):
        api.stream(api.path("jobs"), {}, 5)
    assert len(server.requests) == 1
    server.close()


def test_a_client_certificate_is_shown(authority: Authority, tmp_path: Path) -> None:
    server = authority.server(wants_clients=True)
    authority.sign("client")
    trusted = {"certificate-authority": authority.path("ca.crt")}
    user = {
        "client-certificate": authority.path("client.crt"),
        "client-key": authority.path("client.key"),
    }
    assert jobs(
        Access(str(kubeconfig(tmp_path / "config", server.url, user, cluster=trusted)))
    ) == ["a"]
    nobody = open_api(
        Access(str(kubeconfig(tmp_path / "nobody", server.url, cluster=trusted))), 100
    )
    with pytest.raises(ApiError):
        nobody.stream(nobody.path("jobs"), {}, 5)
    server.close()


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
from sdlc_runner.kube.access import Access, open_api
api = open_api(Access(*sys.argv[1:]), 100)
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


def test_a_proxy_of_the_environment_is_used_unless_it_is_told_not_to(
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


# The whole command.


@pytest.fixture
def cluster_of(rig: Rig) -> Rig:
    """A checkout whose attempts are said to run in a cluster."""
    rig.tasks("- [ ] T001 [ASYNC] Write `T001.txt`\n")
    rig.env["SDLC_RUNNER_BACKEND"] = "kubernetes"
    return rig


def test_a_lasting_refusal_is_one_clear_error(fake: FakeApi, cluster_of: Rig) -> None:
    fake.on("list", lambda _request, reply: reply.refuse(403, "jobs.batch is forbidden"))
    cluster_of.env["KUBECONFIG"] = str(kubeconfig(cluster_of.folder / "config", fake.url))
    result = cluster_of.run("follow", "T001")
    assert result.code == 3
    assert result.error["code"] == "cluster_forbidden"
    assert "jobs.batch is forbidden" in result.error["message"]


def test_ctrl_c_detaches_at_once_though_the_cluster_does_not_answer(
    fake: FakeApi, cluster_of: Rig
) -> None:
    fake.on("list", lambda _request, reply: reply.hang())
    cluster_of.env["KUBECONFIG"] = str(kubeconfig(cluster_of.folder / "config", fake.url))
    child = cluster_of.start("follow", "T001")
    until(lambda: bool(fake.requests))
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=20)
    assert time.monotonic() - began < 1.5
    assert child.returncode == 130
    assert "Traceback" not in stderr
