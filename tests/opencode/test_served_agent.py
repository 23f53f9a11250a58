"""The agent behind the real server of OpenCode: limits, aborts, commands, and a server's end."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pods
from agent_side import SPEC, Heard, is_gone, limited, wait_until
from model_server import (
    KEY,
    MODEL,
    Call,
    ModelServer,
    Request,
    Rule,
    Turn,
    calls,
    says,
    shell,
    writes,
)
from sdlc_runner.attempt import AttemptSpec, Limits
from sdlc_runner.events import EventType, Outcome
from sdlc_runner.wrapper.mask import Masker
from sdlc_runner.wrapper.served_agent import ServedAgent
from sdlc_runner.wrapper.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdlc_runner.wrapper.agent_end import AgentEnd

pytestmark = [pytest.mark.opencode, pytest.mark.slow]

SPEC_HERE = replace(SPEC, model=MODEL, limits=Limits(), backend="kubernetes")
LONG = "echo begun > begun; sleep 60; echo never > never"


@dataclass
class Real:
    """A real server, the model behind it, and one of its folders."""

    pod: pods.Pod
    model: ModelServer
    work: Path
    heard: Heard

    def agent(self, spec: AttemptSpec = SPEC_HERE) -> ServedAgent:
        server = Server(self.pod.port, pods.PASSWORD, str(self.work))
        return ServedAgent(spec, self.work, server, threading.Event(), Masker([KEY]))

    def run(self, *turns: Any, model: str = MODEL, **limits: float) -> AgentEnd:  # noqa: ANN401
        self.model.rules = [Rule("task T001", turns)]
        spec = limited(replace(SPEC_HERE, model=model), **{"run_seconds": 60, **limits})
        agent = self.agent(spec)
        with agent.turn():
            return agent.run(spec.limits, "Do task T001", self.heard.emit)

    def verify(self, *commands: str, seconds: float = 30) -> list[dict[str, Any]]:
        agent = self.agent(replace(SPEC_HERE, verify_commands=commands, verify_seconds=seconds))
        with agent.turn():
            return agent.verify(self.heard.emit)


def started(root: Path, model: ModelServer) -> pods.Pod:
    """Start a pod's agent container, and wait for its server."""
    pod = pods.Pod(root, SPEC_HERE.to_json(), model.environment(pods.environment()))
    pod.start("agent")
    server = Server(pod.port, pods.PASSWORD, str(pod.workspace))
    ServedAgent(SPEC_HERE, pod.workspace, server, threading.Event(), Masker([])).get_ready()
    return pod


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, program: Path
) -> Iterator[tuple[pods.Pod, ModelServer]]:
    with ModelServer([]) as model, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{program}:{os.environ['PATH']}")
        pod = started(tmp_path_factory.mktemp("pod"), model)
        yield pod, model
        pod.stop()


@pytest.fixture
def real(
    shared: tuple[pods.Pod, ModelServer], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Real]:
    """The shared server in a folder of this test's own."""
    del request
    heard = Heard()
    yield Real(*shared, tmp_path, heard)
    heard.close()


def test_works_and_tells_more_than_a_run_does(real: Real) -> None:
    child = {"description": "look", "prompt": "child work", "subagent_type": "general"}

    def model(request: Request) -> Turn:
        if "child work" in request.prompt:
            return says("The child is done.") if request.turn else calls(shell("echo child"))
        if request.turn == 0:
            return writes("src/new.py", "x = 1\n")(request)
        if request.turn == 1:
            return calls(shell("echo a; env"), Call("task", child))
        return says(f"All done. {request.results[-2]}")

    real.model.rules = [Rule(".", (model,))]
    agent = real.agent()
    end = agent.run(Limits(), "Do task T001", real.heard.emit)
    assert (end.status, end.code) == (Outcome.SUCCEEDED, "agent_finished"), end
    assert (real.work / "src/new.py").read_text() == "x = 1\n"
    tools = [
        (tool["name"], tool["target"], tool["status"]) for tool in real.heard.of(EventType.TOOL)
    ]
    for name, target in (
        ("write", "src/new.py"),
        ("bash", "echo a; env"),
        ("bash", "echo child"),
        ("task", "look"),
    ):
        assert tools.count((name, target, "running")) == 1
        assert tools.count((name, target, "completed")) == 1
    assert end.usage.input_tokens == 500
    assert {"text": "The child is done."} in real.heard.of(EventType.MESSAGE)
    assert end.last_message.startswith("All done.")
    assert "SPECIFY_FEATURE_DIRECTORY=specs/001-demo" in end.last_message
    assert KEY not in end.last_message


def test_growing_output_does_not_flood(real: Real) -> None:
    loud = "for i in $(seq 1 300); do printf '%0200d\\n' $i; done"
    assert real.run(calls(shell(loud)), says("done")).ok
    assert len(real.heard.of(EventType.TOOL)) == 2
    assert len(real.heard.events) < 10


def test_a_refusal_is_told(real: Real) -> None:
    end = real.run(Turn(status=401))
    assert (end.status, end.code) == (Outcome.FAILED, "model_refused")
    assert "refused with 401" in end.message


def test_an_unknown_model_is_told(real: Real) -> None:
    end = real.run(says("x"), model="scripted/absent", idle_seconds=20)
    assert (end.status, end.code) == (Outcome.FAILED, "model_error"), end


def test_a_permission_that_asks_is_not_success(real: Real) -> None:
    (real.work / "opencode.json").write_text(
        '{"$schema":"https://opencode.ai/config.json","permission":{"*":"deny","bash":"ask"}}'
    )
    end = real.run(calls(shell("echo hi")), says("done"))
    assert (end.status, end.code) == (Outcome.FAILED, "permission_rejected")
    codes = [warning["code"] for warning in real.heard.of(EventType.WARNING)]
    assert codes == ["permission_rejected"]


def test_the_run_limit_ends_it_and_its_commands(real: Real) -> None:
    began = time.monotonic()
    end = real.run(calls(shell(f"echo $$ > pid; trap '' TERM; {LONG}")), run_seconds=4)
    assert (end.status, end.code) == (Outcome.TIMED_OUT, "run_limit")
    assert time.monotonic() - began < 15
    assert is_gone(int((real.work / "pid").read_text()))
    assert not (real.work / "never").exists()


def test_a_silent_command_is_idle_in_a_server_that_is_well(real: Real) -> None:
    end = real.run(calls(shell(LONG)), idle_seconds=3)
    assert (end.status, end.code) == (Outcome.IDLE, "idle_limit")


def test_a_budget_ends_a_talkative_model(real: Real) -> None:
    end = real.run(lambda request: calls(shell(f"echo {request.turn}")), tokens=500)
    assert (end.status, end.code) == (Outcome.BUDGET_EXCEEDED, "token_budget")
    asked = len(real.model.requests)
    time.sleep(0.5)
    assert len(real.model.requests) == asked


def test_answers_without_end_are_stopped(real: Real) -> None:
    end = real.run(Turn("and so on", finish=None))
    assert (end.status, end.code) == (Outcome.FAILED, "model_error")


def test_an_answer_cut_short_is_incomplete(real: Real) -> None:
    assert real.run(Turn("I was going to", finish="length")).code == "agent_incomplete"


def test_being_told_to_stop_aborts(real: Real) -> None:
    real.model.rules = [Rule(".", (calls(shell(LONG)),))]
    agent = real.agent()

    def stop() -> None:
        wait_until((real.work / "begun").exists, 30)
        agent.stop.set()

    threading.Thread(target=stop).start()
    end = agent.run(Limits(), "Do task T001", real.heard.emit)
    assert (end.status, end.code) == (Outcome.INTERRUPTED, "signal")
    time.sleep(0.2)
    status = agent.server.call("GET", "/session/status").value
    assert status == {}


def test_what_the_agent_leaves_running_is_ended(real: Real) -> None:
    stray = "setsid sh -c 'echo $$ > pid; sleep 60' >/dev/null 2>&1 & sleep 0.3"
    assert real.run(calls(shell(stray)), says("done")).ok
    wait_until(lambda: is_gone(int((real.work / "pid").read_text())), 3)


def test_commands_leave_records(real: Real) -> None:
    odd = "printf '%s\\n' \"$0\" '`x`' \"it's\" '$HOME' >&2; exit 3"
    records = real.verify(odd, "pwd; cat", "kill -9 $$", "echo $((6*7)) | cat")
    assert [record["exit"] for record in records] == [3, 0, 137, 0]
    assert records[0] == {"command": odd, "exit": 3, "output": "sh\n`x`\nit's\n$HOME"}
    assert records[1]["output"] == str(real.work)
    assert records[3]["output"] == "42"
    assert real.heard.of(EventType.PHASE)[0]["detail"] == odd


def test_a_commands_end_of_output_is_kept(real: Real) -> None:
    [record] = real.verify("seq 1 200000; printf '\\033[31mred'")
    assert len(record["output"]) <= 2000
    assert record["output"].endswith("199999\n200000\nred")


def test_commands_cannot_print_an_exit_by_accident(real: Real) -> None:
    [record] = real.verify("echo 0; echo 'exit 0'; printf '\\n0 0\\n'; exit 1")
    assert record["exit"] == 1


def test_a_command_without_end_is_ended_in_time(real: Real) -> None:
    began = time.monotonic()
    records = real.verify("echo begun; echo $$ > pid; sleep 60", "echo never", seconds=1)
    assert [record["exit"] for record in records] == [124, 124]
    assert [record["output"] for record in records] == ["begun", ""]
    assert time.monotonic() - began < 15
    assert is_gone(int((real.work / "pid").read_text()))


def test_a_child_in_the_background_holds_nothing_up(real: Real) -> None:
    began = time.monotonic()
    [record] = real.verify("sleep 60 & echo $! > pid; echo done")
    assert (record["exit"], record["output"]) == (0, "done")
    assert time.monotonic() - began < 10
    wait_until(lambda: is_gone(int((real.work / "pid").read_text())), 3)


def test_being_told_to_stop_ends_commands(real: Real) -> None:
    agent = real.agent(replace(SPEC_HERE, verify_commands=("sleep 60", "echo never")))
    threading.Timer(1, agent.stop.set).start()
    began = time.monotonic()
    records = agent.verify(real.heard.emit)
    assert [record["exit"] for record in records] == [130, 130]
    assert time.monotonic() - began < 10


@pytest.fixture
def own(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    """A server of this test's own, to be ill-treated."""
    monkeypatch.setenv("PATH", f"{program}:{os.environ['PATH']}")
    heard = Heard()
    with ModelServer([]) as model:
        pod = started(tmp_path, model)
        yield Real(pod, model, pod.workspace, heard)
        pod.stop()
    heard.close()


def begun(real: Real, then: Any) -> None:  # noqa: ANN401
    """Do something to the server once the agent's command runs."""

    def wait() -> None:
        wait_until((real.work / "begun").exists, 30)
        then()

    threading.Thread(target=wait).start()


def test_a_killed_server_is_told_within_seconds(own: Real) -> None:
    killed: list[float] = []

    def kill() -> None:
        own.pod.running[0].kill()
        own.pod.running[0].wait()
        killed.append(time.monotonic())

    begun(own, kill)
    end = own.run(calls(shell(LONG)))
    assert (end.status, end.code) == (Outcome.FAILED, "agent_server_died")
    assert time.monotonic() - killed[0] < 8


def test_a_server_that_was_started_again_does_not_know_the_session(own: Real) -> None:
    def restart() -> None:
        own.pod.running[0].kill()
        own.pod.running[0].wait()
        own.pod.start("agent")

    begun(own, restart)
    end = own.run(calls(shell(LONG)))
    assert (end.status, end.code) == (Outcome.FAILED, "agent_server_died")


def test_a_stopped_server_is_hung_within_the_idle_limit(own: Real) -> None:
    stopped: list[float] = []

    def freeze() -> None:
        own.pod.running[0].send_signal(signal.SIGSTOP)
        stopped.append(time.monotonic())

    begun(own, freeze)
    end = own.run(calls(shell(LONG)), idle_seconds=4)
    assert (end.status, end.code) == (Outcome.IDLE, "agent_server_hung")
    assert time.monotonic() - stopped[0] < 4 + 8


def test_the_server_listens_on_loopback_only_and_wants_its_password(own: Real) -> None:
    pid = own.pod.running[0].pid
    sockets = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    v6 = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    listening = [row[1] for row in rows + v6 if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]
    assert listening == [f"0100007F:{own.pod.port:04X}"]
    assert Server(own.pod.port, "wrong", str(own.work)).call("GET", "/session").refused
