"""A person at a running agent: ``send`` and ``attach``, with no rights but the spawner Role's."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.worker.agents.opencode_server.client import Server
from support.cluster import spawners
from support.cluster.namespaces import SERVER_PASSWORD
from support.cluster.pod_template import Form
from support.cluster.waiting import wait_for
from support.harness import FEATURE, parse
from support.model.server import Rule, calls, says, shell, write
from support.opencode import program as opencode_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cluster.harness import ClusterHarness
    from support.harness import Event

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TASKS = "- [ ] T001 [ASYNC] Write `one.txt`\n"
HINT = "please write extra.txt too"


@pytest.fixture
def steered(harness: ClusterHarness) -> ClusterHarness:
    """A rig with OpenCode in two containers, whose agent waits at a gate; we are the spawner."""
    spawners.create(harness.namespace)
    harness.env["KUBECONFIG"] = spawners.kubeconfig(
        harness.namespace, spawners.SPAWNER, harness.folder
    )
    harness.template(Form.TWO)
    harness.use_opencode()
    hold = f"python3 -c \"import urllib.request as u; u.urlopen('{harness.model.url}/gates/go')\""
    harness.model.rules(
        Rule(
            "Implement task T001",
            (calls(write("@folder@/one.txt", "1\n"), shell(hold)), says("done")),
        ),
        Rule(HINT, (calls(write("@folder@/extra.txt", "2\n")), says("both done"))),
    )
    harness.tasks(TASKS)
    return harness


def until_it_works(harness: ClusterHarness) -> None:
    assert harness.run("spawn", "T001").code == 0
    names = '"name":"bash","status":"running"'
    wait_for(
        lambda: names in harness.namespace.log(harness.namespace.pods()[0]["metadata"]["name"]),
        what="the agent's command",
    )


def sessions(url: str, password: str) -> tuple[int, int]:
    """Return the status and how many sessions the agent's server tells of."""
    server = Server(int(url.rpartition(":")[2]), password, "/workspace")
    answer = server.call("GET", "/session")
    return answer.status, len(answer.value or ())


@contextmanager
def attached(harness: ClusterHarness) -> Iterator[tuple[Event, subprocess.Popen[str]]]:
    """Run ``attach --url`` for a ``with`` block; yield what it said first."""
    child = harness.start("attach", "T001", "--url")
    assert child.stdout is not None
    try:
        (event,) = parse(child.stdout.readline())
        yield event, child
    finally:
        child.terminate()
        child.communicate(timeout=20)


def test_a_text_that_is_sent_changes_what_the_agent_does(steered: ClusterHarness) -> None:
    until_it_works(steered)
    with attached(steered) as (event, child):
        assert event["type"] == "attached"
        assert sessions(event["url"], SERVER_PASSWORD) == (200, 1)
        assert sessions(event["url"], "wrong")[0] == 401
        assert SERVER_PASSWORD not in json.dumps(event)
        (sent,) = steered.run("send", "T001", HINT).of("sent")
        assert (sent["session"], sent["bytes"]) == (event["session"], len(HINT))
        steered.model.open()
        done = steered.run("follow", "T001", "--detail", "full")
        assert done.outcome("T001")["outcome"] == "succeeded", done.stdout
        assert child.wait(20) == 0
    branch = f"sdlc-runner/{FEATURE}/T001-1"
    assert steered.remote_file("one.txt", branch) == "1"
    assert steered.remote_file("extra.txt", branch) == "2"
    assert f"sent to the agent: {HINT}" in [event["text"] for event in done.of("log")]
    for verb in (["send", "T001", "more"], ["attach", "T001"]):
        late = steered.run(*verb)
        assert (late.code, late.error["code"]) == (2, "not_running")
        assert "logs T001" in late.error["hint"]


def test_attach_shows_the_session_in_opencode(steered: ClusterHarness) -> None:
    program = opencode_program.find()
    if program is None:
        opencode_program.skip()
    folder = steered.folder / "bin"
    folder.mkdir()
    (folder / "opencode").symlink_to(str(program))
    steered.env["PATH"] = f"{folder}:{steered.env['PATH']}"
    until_it_works(steered)
    with on_terminal(steered, "attach", "T001") as (pid, screen):
        shown = read_until(screen, b"one.txt")
        assert b"T001" in shown
        told = [Path(f"/proc/{child}/cmdline").read_bytes() for child in below(pid)]
        assert any(b"--session" in line for line in told)
        assert not [line for line in told if SERVER_PASSWORD.encode() in line]
    steered.model.open()
    assert steered.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"


@contextmanager
def on_terminal(harness: ClusterHarness, *args: str) -> Iterator[tuple[int, int]]:
    """Run a verb on a terminal of its own; yield its process id and the screen."""
    screen, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    env = {**harness.env, "TERM": "xterm-256color"}
    child = subprocess.Popen(
        harness.command(*args), cwd=harness.checkout, env=env, stdin=side, stdout=side, stderr=side
    )
    os.close(side)
    try:
        yield child.pid, screen
    finally:
        child.terminate()
        child.wait(20)
        os.close(screen)


def read_until(screen: int, wanted: bytes, seconds: float = 40) -> bytes:
    shown = bytearray()

    def more() -> bool:
        if select.select([screen], [], [], 0.2)[0]:
            shown.extend(os.read(screen, 1 << 16))
        return wanted in shown

    wait_for(more, seconds, f"{wanted!r} on the screen", every=0)
    return bytes(shown)


def below(pid: int) -> list[int]:
    """Return a process and all that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(found for child in children for found in below(int(child)))]


def test_one_container_has_no_one_to_talk_to(harness: ClusterHarness) -> None:
    harness.agent("hold()")
    harness.tasks(TASKS)
    early = harness.run("attach", "T001")
    assert (early.code, early.error["code"]) == (2, "no_attempt")
    harness.run("spawn", "T001")
    wait_for(lambda: [each["status"]["phase"] for each in harness.namespace.pods()] == ["Running"])
    for verb in (["send", "T001", "more"], ["attach", "T001", "--url"]):
        done = harness.run(*verb)
        assert (done.code, done.error["code"]) == (2, "unsupported_backend")
    harness.model.open()
