from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import harness as rigs
from support.cluster import plain_job, service_pods
from support.cluster.plain_job import GIT_BY_HTTP, GIT_BY_SSH
from support.cluster.pod_template import Form
from support.cluster.ports import ADMIN, HTTP
from support.cluster.relay import through_api
from support.cluster.repositories import RECEIVE, Mode
from support.cluster.service_door import Door
from support.cluster.service_pods import GIT, MODEL
from support.cluster.waiting import wait_for
from support.model import script as model_script
from support.model.server import KEY, Rule, Turn, calls, says, shell, writes

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness
    from support.cluster.kit import Faults
    from support.cluster.kubectl import Kubectl
    from support.cluster.namespaces import Namespace
    from support.cluster.scripted_model import ScriptedModel
    from support.cluster.services import Services

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

CLONE_AND_PUSH = """
git_ clone --quiet --branch {branch} {url} /workspace/clone
cd /workspace/clone
echo done > work.txt
git_ add .
git_ commit --quiet -m Work
git_ push --quiet origin HEAD:refs/heads/work HEAD:refs/sdlc-runner/x/T001/1/start
"""
ASK = """
python3 - <<'END'
import json, urllib.request
key = open('/secrets/model/SCRIPTED_API_KEY').read()
asked = {{"model": "model-1", "tools": [{{"function": {{"name": "bash"}}}}], "messages": [
    {{"role": "system", "content": "Working directory: /workspace"}},
    {{"role": "user", "content": "Implement task T001 now"}}]}}
headers = {{"authorization": f"Bearer {{key}}", "content-type": "application/json"}}
request = urllib.request.Request("{url}/v1/chat/completions", json.dumps(asked).encode(), headers)
print(urllib.request.urlopen(request).read().decode())
END
"""


def from_inside(harness: ClusterHarness, url: str, how: str) -> tuple[int, str]:
    script = how + CLONE_AND_PUSH.format(branch=rigs.FEATURE, url=url)
    return plain_job.run(harness.namespace, script)


@pytest.mark.parametrize("transport", ["http", "ssh"])
def test_a_job_from_the_pod_template_clones_and_pushes(
    harness: ClusterHarness, transport: str
) -> None:
    http = transport == "http"
    url = harness.repository.pod_url_http if http else harness.repository.pod_url_ssh
    code, log = from_inside(harness, url, GIT_BY_HTTP if http else GIT_BY_SSH)
    assert (code, log) == (0, "")
    assert {"refs/heads/work", "refs/sdlc-runner/x/T001/1/start"} <= set(harness.remote_refs())
    assert harness.remote_file("work.txt", "work") == "done"


def test_no_one_comes_in_without_a_credential_or_with_a_revoked_one(
    harness: ClusterHarness,
) -> None:
    repository = harness.repository
    anonymous = 'git_() { git -c user.name=Job -c user.email=job@localhost "$@"; }\n'
    quiet = f"export GIT_TERMINAL_PROMPT=0\n{anonymous}"
    code, log = from_inside(harness, repository.pod_url_http, quiet)
    assert code == 128
    assert "could not read Username" in log
    repository.revoke()
    for url, how in ((repository.pod_url_http, GIT_BY_HTTP), (repository.pod_url_ssh, GIT_BY_SSH)):
        code, log = from_inside(harness, url, f"export GIT_TERMINAL_PROMPT=0\n{how}")
        assert code == 128
        assert "Authentication failed" in log or "Permission denied (publickey)" in log
    assert "work" not in "".join(repository.refs())
    harness.git("fetch", "origin")


def test_a_credential_opens_its_own_repository_only(
    harness: ClusterHarness, services: Services
) -> None:
    other = services.repository(harness.folder / "other")
    for url in (other.host_url, other.host_url_ssh):
        with pytest.raises(AssertionError, match=r"Authentication failed|another repository"):
            harness.git("ls-remote", url)


def test_a_model_answers_from_inside_by_the_rules_of_its_test(
    namespace: Namespace, model: ScriptedModel, services: Services
) -> None:
    services.model("other").rules(Rule("task T001", (says("wrong"),)))
    model.rules(Rule("task T001", (writes("a.py", "x = 1\n"), says("done"))))
    code, log = plain_job.run(namespace, ASK.format(url=model.url))
    assert code == 0, log
    assert '"finish_reason": "tool_calls"' in log
    assert "/workspace/a.py" in log
    (request,) = model.requests()
    assert (request.prompt, request.tools) == ("Implement task T001 now", ("bash",))
    assert request.authorization == f"Bearer {KEY}"


def test_rules_survive_the_way_to_another_place() -> None:
    rules = (
        Rule("a", (Turn("t", finish=None, delay=1.5), Turn(body=b"\xff<html>", status=500))),
        Rule("b", (calls(shell("ls", timeout=5), text="look"), writes("x"))),
    )
    assert model_script.loads(model_script.dumps(rules)) == rules
    with pytest.raises(TypeError):
        model_script.dumps([Rule("a", (lambda _: says("x"),))])


@pytest.mark.parametrize("form", Form)
def test_both_forms_run_under_pod_security_restricted(namespace: Namespace, form: Form) -> None:
    look = "cat /etc/sdlc-runner/spec.json; echo; id -u; ls /secrets; touch /workspace/x /attempt/x"
    try_out = f"exec 2>&1; {look}; touch /x || echo read-only"
    code, log = plain_job.run(namespace, try_out, form)
    assert code == 0, log
    assert log.split() == [
        *("{}", "10001", "git", "model", "server"),
        *("touch:", "cannot", "touch", "'/x':", "Read-only", "file", "system", "read-only"),
    ]


def test_a_pod_that_is_not_restricted_is_refused(namespace: Namespace) -> None:
    made = plain_job.job("true")["spec"]["template"]
    made["spec"]["securityContext"] = {}
    pod = {"apiVersion": "v1", "kind": "Pod", **made, "metadata": {"name": "bad"}}
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        namespace.kubectl.create(pod)


def test_leftovers_are_what_a_test_made(namespace: Namespace) -> None:
    assert not namespace.leftovers()
    namespace.kubectl.create(plain_job.job("true"))
    wait_for(lambda: len(namespace.leftovers()) == 2)
    assert {name.split("/")[0] for name in namespace.leftovers()} == {"job", "pod"}


def test_the_server_can_be_down_and_come_back(harness: ClusterHarness) -> None:
    harness.repository.go_down()
    with pytest.raises(AssertionError, match="503"):
        harness.git("fetch", "origin")
    harness.repository.go(Mode.CUT)
    with pytest.raises(AssertionError, match="Empty reply from server"):
        harness.git("fetch", "origin")
    harness.repository.go_down(RECEIVE)
    harness.git("fetch", "origin")
    harness.repository.come_back()
    harness.commit("Back")


def test_the_answer_to_a_push_can_be_lost(harness: ClusterHarness) -> None:
    head = harness.commit("Work", push=False)
    harness.repository.go(Mode.MUTE, RECEIVE)
    with pytest.raises(AssertionError, match=r"Empty reply|hung up"):
        harness.git("push", "origin", "HEAD")
    assert harness.remote_refs()[f"refs/heads/{rigs.FEATURE}"] == head


def test_pushes_can_be_rejected_delayed_and_paused(harness: ClusterHarness) -> None:
    harness.repository.reject("refs/heads/bad*")
    with pytest.raises(AssertionError, match="policy says no"):
        harness.git("push", "origin", "HEAD:refs/heads/bad-1")
    harness.git("push", "origin", "HEAD:refs/heads/good-1")
    harness.repository.slow_down(0.4)
    began = time.monotonic()
    harness.git("push", "origin", "HEAD:refs/heads/good-2")
    assert time.monotonic() - began > 0.8
    harness.repository.come_back()
    harness.repository.pause("refs/heads/good-3")
    pushing = threading.Thread(
        target=harness.git, args=("push", "origin", "HEAD:refs/heads/good-3")
    )
    pushing.start()
    wait_for(lambda: harness.repository.has_flag("reached"))
    assert "refs/heads/good-3" not in harness.remote_refs()
    harness.repository.flag("go")
    pushing.join()
    assert "refs/heads/good-3" in harness.remote_refs()


def test_large_pushes_come_through(harness: ClusterHarness) -> None:
    harness.write("large.bin", os.urandom(3 << 20))
    head = harness.commit("Large")
    assert harness.remote_refs()[f"refs/heads/{rigs.FEATURE}"] == head


def test_the_rig_is_a_user_with_a_remote_on_the_server(harness: ClusterHarness) -> None:
    harness.tasks("- [X] T001 [ASYNC] Write a.txt\n- [ ] T002 [ASYNC] Write b.txt\n")
    assert harness.ticked() == {"T001"}
    assert set(harness.remote_refs()) == {"refs/heads/main", f"refs/heads/{rigs.FEATURE}"}
    assert harness.git("ls-remote", "--symref", "origin", "HEAD").startswith("ref: refs/heads/main")
    assert harness.run("plan").of("planned")
    assert not harness.remote.exists()
    by_ssh = harness.git("ls-remote", harness.repository.host_url_ssh)
    assert f"refs/heads/{rigs.FEATURE}" in by_ssh


def test_scripted_agents_meet_the_test_at_gates(harness: ClusterHarness) -> None:
    harness.agent("note(f'{task} runs'); hold(); note('goes on')")
    command = harness.env["SDLC_RUNNER_AGENT_COMMAND"]
    assert shlex.split(command)[:2] == ["python3", "-c"]
    made = plain_job.job(f"echo 'Implement task T007 now' | {command}")
    harness.namespace.kubectl.create(made)
    wait_for(lambda: harness.model.notes() == ["T007 runs"])
    harness.model.open()
    harness.namespace.finished_pod(made["metadata"]["name"])
    assert harness.model.notes() == ["T007 runs", "goes on"]


def test_where_there_is_no_kit_kubectl_relays_and_is_started_again(
    cluster: Kubectl, services: Services
) -> None:
    with through_api(cluster.inside(services.namespace), service_pods.PORTS) as ways:
        for _ in range(2):
            wait_for(lambda: Door(ways[MODEL, HTTP]).call("GET", "/-/notes") == b"[]")
            wait_for(lambda: Door(ways[GIT, ADMIN]).call("GET", "/").startswith(b"ssh-ed25519"))
            running = port_forwards()
            assert len(running) == 2
            for pid in running:
                os.kill(pid, signal.SIGKILL)


def port_forwards() -> list[int]:
    """Return those of our children that forward ports."""
    lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    children = [int(pid) for pids in lists for pid in pids.split()]
    return [pid for pid in children if b"port-forward" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_services_are_reached_while_the_api_server_is_gone(
    harness: ClusterHarness, fault: Faults, cluster: Kubectl
) -> None:
    fault("kill9", "apiserver")
    assert not cluster.try_run("get", "--raw=/readyz", "--request-timeout=2s").ok
    head = harness.commit("Meanwhile")
    assert harness.remote_refs()[f"refs/heads/{rigs.FEATURE}"] == head
    harness.model.open()
    fault.undo()
    assert cluster.run("get", "--raw=/readyz") == "ok"
