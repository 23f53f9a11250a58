"""What ``helm uninstall`` asks before it removes anything: its parts, and what it says."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sdlc_runner import process
from sdlc_runner.backends.kubernetes import job_spec
from support.chart.rendering import CHART, MAJORS, RELEASES, STAGES, render, with_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.helm

SCRIPT = CHART / "files" / "uninstall_guard.py"
ATTEMPTS = "app.kubernetes.io/name"
PAGE = 20


def job(number: int = 1, **condition: str) -> dict[str, Any]:
    labels = {**job_spec.MANAGED, job_spec.TASK: "t001", job_spec.NUMBER: str(number)}
    return {
        "metadata": {
            "name": f"sdlc-t001-{number}",
            "labels": labels,
            "creationTimestamp": "2026-01-31T09:30:00Z",
        },
        "status": {"conditions": [condition] if condition else None},
    }


class Api(ThreadingHTTPServer):
    """Jobs of one namespace, page by page; each failure in ``failures`` once, before all else."""

    daemon_threads = True

    def __init__(self, certificate: Path, jobs: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.jobs, self.failures, self.asked = jobs, [], list[dict[str, list[str]]]()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "ca.crt", certificate / "key")
        self.socket = context.wrap_socket(self.socket, server_side=True)

    failures: list[int]


class _Request(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        query = parse_qs(where.query)
        self.server.asked.append(query)
        if self.server.failures:
            self._answer(self.server.failures.pop(), {"message": "no\n\x1b[31m rights"})
            return
        assert where.path == "/apis/batch/v1/namespaces/agents/jobs"
        assert self.headers["Authorization"] == "Bearer secret-token"
        start = int(query.get("continue", ["0"])[0])
        end = start + int(query["limit"][0])
        more = {"continue": str(end)} if end < len(self.server.jobs) else {}
        self._answer(200, {"metadata": more, "items": self.server.jobs[start:end]})

    def _answer(self, status: int, value: object) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a ServiceAccount's token is mounted at."""
    folder = tmp_path_factory.mktemp("account")
    (folder / "token").write_text("secret-token\n")
    files = ["-keyout", folder / "key", "-out", folder / "ca.crt"]
    names = ["-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    done = process.run(["openssl", "req", *kind, *map(str, files), *names])
    assert done.ok, done.error_text
    return folder


@pytest.fixture
def api(account: Path) -> Iterator[Api]:
    with Api(account, []) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(account: Path, api: Api, **environment: str) -> process.Completed:
    env = {
        "ACCOUNT_FOLDER": str(account),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(api.server_address[1]),
        **environment,
    }
    where = ["agents", "sdlc", "3", "home"]
    return process.run([sys.executable, "-I", str(SCRIPT), *where], env=env, timeout=60)


def test_without_attempts_it_lets_go(account: Path, api: Api) -> None:
    done = ask(account, api)
    assert (done.code, done.text) == (0, "No attempt runs in namespace agents.")
    assert api.asked[0]["labelSelector"] == ["app.kubernetes.io/managed-by=sdlc-runner"]


def test_what_has_ended_does_not_count(account: Path, api: Api) -> None:
    api.jobs = [job(1, type="Complete", status="True"), job(2, type="Failed", status="True")]
    assert ask(account, api).code == 0


@pytest.mark.parametrize("condition", [{}, {"type": "Suspended", "status": "True"},
                                       {"type": "Failed", "status": "False"}])  # fmt: skip
def test_what_runs_or_waits_is_named_with_what_to_do(
    account: Path, api: Api, condition: dict[str, str]
) -> None:
    api.jobs = [job(7, **condition)]
    done = ask(account, api)
    assert done.code == 1
    assert done.text.startswith("REFUSED: 1 ")
    assert "task t001, attempt 7: Job sdlc-t001-7, since 2026-01-31T09:30:00Z" in done.text
    assert "sdlc-runner cancel TASK" in done.text
    assert "helm rollback sdlc 3 -n home" in done.text
    assert done.text.endswith("helm uninstall sdlc -n home --no-hooks")
    assert not done.error_text


def test_many_are_read_page_by_page_and_reported_in_few_lines(account: Path, api: Api) -> None:
    api.jobs = [job(number) for number in range(3 * PAGE)]
    lines = ask(account, api).text.splitlines()
    assert [query["limit"] for query in api.asked] == [[str(PAGE)]] * 3
    assert lines[0].startswith("REFUSED: 60 ")
    assert "  and 40 more" in lines
    assert len(lines) < 30


def test_rights_that_come_late_are_waited_for(account: Path, api: Api) -> None:
    api.failures = [403, 503]
    assert ask(account, api).code == 0
    assert len(api.asked) == 3


@pytest.mark.slow
def test_without_an_answer_it_refuses_in_a_sentence(account: Path, api: Api) -> None:
    api.failures = [403] * 100
    done = ask(account, api)
    assert done.code == 1
    first, second, _, third, fourth = done.text.splitlines()
    assert first.startswith("REFUSED: cannot find out whether attempts run in namespace agents: ")
    assert first.endswith("403 no ?[31m rights")
    assert "kubectl -n agents get jobs -l" in second
    assert "helm rollback sdlc 3" in third
    assert "--no-hooks" in fourth
    assert not done.error_text
    assert "secret-token" not in done.text


@pytest.mark.slow
def test_without_a_cluster_it_refuses_in_a_sentence(account: Path, api: Api) -> None:
    done = ask(account, api, KUBERNETES_SERVICE_PORT="1")
    assert done.code == 1
    assert "Connection refused" in done.text
    assert not done.error_text


def test_it_is_there_unless_switched_off() -> None:
    assert sorted(with_values().guard) == ["Job", "Role", "RoleBinding", "ServiceAccount"]
    assert not with_values("uninstallGuard.enabled=false").guard
    assert not with_values("uninstallGuard.enabled=false").all("Job")


def test_its_account_may_list_jobs_and_its_pod_alone_has_the_token() -> None:
    rendered = with_values()
    guard = rendered.guard
    assert guard["Role"]["rules"] == [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]}
    ]
    name = guard["ServiceAccount"]["metadata"]["name"]
    assert guard["ServiceAccount"]["automountServiceAccountToken"] is False
    (subject,) = guard["RoleBinding"]["subjects"]
    assert (subject["name"], subject["namespace"]) == (name, "agents")
    assert guard["RoleBinding"]["roleRef"]["name"] == guard["Role"]["metadata"]["name"]
    pod = guard["Job"]["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == (name, True)
    assert rendered.pod["spec"]["serviceAccountName"] != name


def test_its_pod_is_bounded_and_not_held_by_the_attempts_policy() -> None:
    rendered = with_values("commonLabels.cost=c")
    template = rendered.guard["Job"]["spec"]["template"]
    assert template["metadata"]["labels"] == {
        "app.kubernetes.io/component": "uninstall-guard",
        "cost": "c",
    }
    assert ATTEMPTS in rendered.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    (container,) = template["spec"]["containers"]
    bounds = container["resources"]
    assert {*bounds["requests"]} == {*bounds["limits"]} == {"cpu", "memory"}
    attempt = rendered.containers()["runner"]
    assert container["securityContext"] == attempt["securityContext"]
    assert template["spec"]["securityContext"] == rendered.pod["spec"]["securityContext"]
    assert container["image"] == attempt["image"]
    compile(container["args"][0], "uninstall_guard.py", "exec")
    assert container["args"][1:] == ["agents", "sdlc", "1", "agents"]


def test_its_parts_come_in_order_and_go_with_it() -> None:
    notes = {kind: each["metadata"]["annotations"] for kind, each in with_values().guard.items()}
    weights = {kind: int(note["helm.sh/hook-weight"]) for kind, note in notes.items()}
    assert weights["ServiceAccount"] == weights["Role"] < weights["RoleBinding"] < weights["Job"]
    assert {note["helm.sh/hook-delete-policy"] for note in notes.values()} == {
        "before-hook-creation,hook-succeeded"
    }
    assert notes["Job"]["helm.sh/hook-output-log-policy"] == "hook-failed"


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_release_has_it(stage: str, major: int) -> None:
    rendered = render(chart=RELEASES[stage], name=RELEASES[stage].name, major=major)
    assert len(rendered.guard) == 4
