"""What every agent does: one set of tests that each of them passes.

The command agent and OpenCode's ``run`` are real child processes here, and OpenCode's server is
one on the wire; tests/opencode runs the real program.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from sdlc_runner.config.settings import AgentSettings, VerifySettings
from sdlc_runner.events.types import EventType, Outcome
from sdlc_runner.worker.agents import verify_commands
from sdlc_runner.worker.agents.factory import local_agent
from sdlc_runner.worker.agents.opencode_server.agent import OpenCodeServerAgent
from sdlc_runner.worker.agents.opencode_server.client import Server
from sdlc_runner.worker.masking import Masker
from support.agent_fixtures import SPEC, Heard, limited
from support.opencode.fake_agent_server import (
    IDLE,
    ROOT,
    FakeServer,
    Listener,
    about,
    finish,
    part,
    runs_commands,
    tool,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.worker.agents.base import Agent, AgentResult

SECRET = "top-secret-value"
DONE = {"type": "text", "part": {"id": "p1", "type": "text", "text": "Done.", "time": {"end": 2}}}
STEP = {"type": "step-finish", "id": "p9", "reason": "stop", "tokens": {"input": 100, "output": 20}}
END = {"type": "step_finish", "part": STEP}


@dataclass
class Bench:
    """One kind of agent in a folder of its own; ``plays`` sets what it does when it is prompted."""

    work: Path
    environ: dict[str, str]
    heard: Heard = field(default_factory=Heard)
    stop: threading.Event = field(default_factory=threading.Event)
    masker: Masker = field(default_factory=lambda: Masker([SECRET]))
    make: Callable[[AttemptSpec], Agent] = lambda _spec: pytest.fail("no agent")
    plays: Callable[[str], None] = lambda _what: None
    spec: AttemptSpec = SPEC

    def run(self, what: str, **limits: float) -> AgentResult:
        self.plays(what)
        spec = limited(self.spec, **limits)
        agent = self.make(spec)
        agent.prepare()
        return agent.run(spec.limits, "the prompt", self.heard.emit)

    def verify(self, *commands: str, seconds: float = 20) -> list[dict[str, Any]]:
        spec = replace(self.spec, verify=VerifySettings(commands=commands, seconds=seconds))
        agent = self.make(spec)
        return verify_commands.run_all(agent, spec, self.heard.emit, self.stop)


SCRIPTS = {
    "finishes": "say('Done.'); end()",
    "fails": "raise SystemExit(3)",
    "is silent": "time.sleep(60)",
    "prints a secret": f"say({SECRET!r}); end()",
    "uses tokens": "use(); time.sleep(60)",
}


def script(what: str, *, as_json: bool) -> str:
    """An agent's program that does one thing, in plain words or in OpenCode's lines."""
    step = {**STEP, "reason": "tool-calls"}
    return textwrap.dedent(
        f"""\
        import json, sys, time
        def out(record): print(json.dumps(record), flush=True)
        def say(text):
            text_part = {{**{DONE["part"]!r}, "text": text}}
            out({{"type": "text", "part": text_part}}) if {as_json} else print(text)
        def end():
            if {as_json}: out({{"type": "step_finish", "sessionID": "s", "part": {STEP!r}}})
        def use(): out({{"type": "step_finish", "sessionID": "s", "part": {step!r}}})
        sys.stdin.read()
        {SCRIPTS[what]}
        """
    )


def command_bench(bench: Bench) -> Iterator[Bench]:
    def plays(what: str) -> None:
        argv = (sys.executable, "-u", "-c", script(what, as_json=False))
        bench.spec = replace(SPEC, agent=AgentSettings(command=argv))

    bench.spec = replace(SPEC, agent=AgentSettings(command=("true",)))
    bench.plays = plays
    bench.make = partial(_local, bench)
    yield bench


def opencode_bench(bench: Bench) -> Iterator[Bench]:
    def plays(what: str) -> None:
        program = bench.work.parent / "bin/opencode"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!{sys.executable} -u\n{script(what, as_json=True)}")
        program.chmod(0o755)
        bench.environ["PATH"] = f"{program.parent}:{bench.environ['PATH']}"

    bench.plays = plays
    bench.make = partial(_local, bench)
    yield bench


def _local(bench: Bench, spec: AttemptSpec) -> Agent:
    return local_agent(spec, bench.work, bench.environ, bench.stop, bench.masker)


def server_bench(bench: Bench) -> Iterator[Bench]:
    said = partial(part, "text", "prt_5", time={"start": 1, "end": 2})
    silent: Callable[[Listener], None] = Listener.hold
    streams: dict[str, list[object]] = {
        "finishes": [said(text="Done."), finish(), IDLE],
        "fails": [
            about("session.error", error={"name": "Unknown", "data": {"message": "no"}}),
            IDLE,
        ],
        "is silent": [],
        "prints a secret": [said(text=SECRET), finish(), IDLE],
        "uses tokens": [tool("running"), finish("tool-calls")],
    }

    def plays(what: str) -> None:
        def stream(listener: Listener) -> None:
            listener.send(*streams[what])
            silent(listener)

        fake.streams = [stream]

    def make(spec: AttemptSpec) -> Agent:
        server = Server(fake.port, "pw", str(bench.work))
        return OpenCodeServerAgent(spec, bench.work, server, bench.stop, bench.masker)

    answers = {f"POST /session/{ROOT}/shell": runs_commands(bench.work, bench.environ)}
    with FakeServer([], answers) as fake:
        bench.plays, bench.make = plays, make
        yield bench


@pytest.fixture(params=[command_bench, opencode_bench, server_bench], ids=lambda f: f.__name__)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    work = tmp_path / "work"
    work.mkdir()
    made = Bench(work, {"PATH": os.environ["PATH"]})
    yield from request.param(made)
    made.heard.close()


def test_it_finishes(bench: Bench) -> None:
    result = bench.run("finishes")
    assert (result.status, result.code, result.ok) == (Outcome.SUCCEEDED, "agent_finished", True)
    assert "Done." in json.dumps(bench.heard.events)


def test_its_failure_is_a_failure(bench: Bench) -> None:
    result = bench.run("fails")
    assert (result.status, result.ok) == (Outcome.FAILED, False)
    assert result.code
    assert result.message


def test_silence_ends_it(bench: Bench) -> None:
    began = time.monotonic()
    result = bench.run("is silent", idle_seconds=0.4)
    assert (result.status, result.code) == (Outcome.IDLE, "idle_limit")
    assert time.monotonic() - began < 8


def test_its_time_limit_ends_it(bench: Bench) -> None:
    result = bench.run("is silent", run_seconds=0.4)
    assert (result.status, result.code) == (Outcome.TIMED_OUT, "run_limit")


def test_being_reported_to_stop_ends_it(bench: Bench) -> None:
    threading.Timer(0.3, bench.stop.set).start()
    result = bench.run("is silent")
    assert (result.status, result.code) == (Outcome.INTERRUPTED, "signal")


def test_a_token_budget_ends_it(bench: Bench) -> None:
    result = bench.run("uses tokens", tokens=50)
    assert (result.status, result.code) == (Outcome.BUDGET_EXCEEDED, "token_budget")
    assert result.usage.tokens == 120


def test_known_secrets_are_masked(bench: Bench) -> None:
    assert bench.run("prints a secret").ok
    assert SECRET not in json.dumps(bench.heard.events)


def test_every_verify_command_leaves_a_record(bench: Bench) -> None:
    records = bench.verify("echo one; exit 3", "pwd")
    assert [record["exit"] for record in records] == [3, 0]
    assert records[0] == {"command": "echo one; exit 3", "exit": 3, "output": "one"}
    assert records[1]["output"] == str(bench.work)
    phases = [phase["detail"] for phase in bench.heard.of(EventType.PHASE)]
    assert phases == ["echo one; exit 3", "pwd"]


def test_verify_commands_share_their_time(bench: Bench) -> None:
    records = bench.verify("sleep 30", "echo never", seconds=0.5)
    assert [record["exit"] for record in records] == [124, 124]


def test_the_output_of_verify_commands_is_clean_masked_and_bounded(bench: Bench) -> None:
    [record, long] = bench.verify(rf"printf '\033[31m{SECRET}\n'", "seq 1 5000")
    assert record["output"] == "***"
    assert len(long["output"]) <= verify_commands.OUTPUT_LIMIT
    assert long["output"].endswith("\n4999\n5000")


def test_being_reported_to_stop_ends_verify_commands(bench: Bench) -> None:
    threading.Timer(0.3, bench.stop.set).start()
    records = bench.verify("sleep 2", "echo never")
    assert [record["exit"] for record in records] == [130, 130]
