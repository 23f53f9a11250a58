from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.config.settings import AgentSettings, Limits
from sdlc_runner.events.types import EventType, Outcome
from sdlc_runner.worker.agents.factory import local_agent
from sdlc_runner.worker.masking import Masker
from support.agent_fixtures import SPEC, Heard, limited
from support.model.server import (
    KEY,
    MODEL,
    Call,
    ModelServer,
    Rule,
    Turn,
    calls,
    edit,
    says,
    shell,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sdlc_runner.worker.agents.base import AgentResult
    from support.model.request import Request

pytestmark = [pytest.mark.opencode, pytest.mark.slow]


@pytest.fixture
def environ(tmp_path: Path, programs: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    return {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), "GIT_DIR": "/nowhere"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "old.py").write_text("colour = 'red'\n")
    return folder


@pytest.fixture
def heard() -> Iterator[Heard]:
    listener = Heard()
    yield listener
    listener.close()


def run(
    work: Path,
    environ: Mapping[str, str],
    heard: Heard,
    model: str = MODEL,
    **limits: float,
) -> AgentResult:
    spec = limited(
        replace(SPEC, agent=AgentSettings(model=model), limits=Limits()),
        **{"run_seconds": 60, **limits},
    )
    stop, masker = threading.Event(), Masker([KEY])
    agent = local_agent(spec, work, environ, stop, masker)
    return agent.run(spec.limits, "Do task T001", heard.emit)


def test_edits_files_with_its_own_tools_and_ends_well(
    work: Path, environ: dict[str, str], heard: Heard
) -> None:
    old, new = str(work / "old.py"), str(work / "src/new.py")
    turns = (
        calls(Call("read", {"filePath": old}), text="I read."),
        calls(edit(old, "red", "blue"), write(new, "x = 1\n")),
        calls(shell("env; pwd; exit 3")),
        lambda request: says(f"All done. {request.results[-1]}"),
    )
    with ModelServer([Rule("task T001", turns)]) as model:
        end = run(work, model.environment(environ), heard)
    assert (end.status, end.code, end.exit_code) == (Outcome.SUCCEEDED, "agent_finished", 0), end
    assert (work / "old.py").read_text() == "colour = 'blue'\n"
    assert (work / "src/new.py").read_text() == "x = 1\n"
    tools = [(tool["name"], tool["target"], tool["status"]) for tool in heard.of(EventType.TOOL)]
    assert sorted(tools[1:3]) == [
        ("edit", "old.py", "completed"),
        ("write", "src/new.py", "completed"),
    ]
    assert tools[0] == ("read", "old.py", "completed")
    assert tools[3] == ("bash", "env; pwd; exit 3", "completed")
    assert end.usage.input_tokens == 400
    assert end.usage.output_tokens == 80
    assert heard.of(EventType.USAGE)[-1]["input_tokens"] == 400
    assert end.last_message.startswith("All done.")
    environment = end.last_message
    assert "SPECIFY_FEATURE_DIRECTORY=specs/001-demo" in environment
    assert f"PWD={work}" in environment
    assert "GIT_DIR" not in environment
    assert KEY not in environment
    assert '"apiKey":"***"' in environment
    assert {request.authorization for request in model.requests} == {f"Bearer {KEY}"}
    assert not heard.of(EventType.WARNING)


def test_asks_for_no_title_and_is_not_offered_the_runner(
    work: Path, environ: dict[str, str], heard: Heard
) -> None:
    agents = work / ".opencode/agents"
    agents.mkdir(parents=True)
    for name in ("async-runner", "other-runner"):
        (agents / f"{name}.md").write_text("---\ndescription: x\nmode: subagent\n---\nRun.\n")
    task = {"description": "d", "prompt": "p", "subagent_type": "async-runner"}
    turns = (calls(Call("task", task)), lambda request: says(request.results[-1]))
    with ModelServer([Rule("task T001", turns)]) as model:
        end = run(work, model.environment(environ), heard)
    assert [request.prompt for request in model.requests] == ["Do task T001"] * 2
    assert [tool["status"] for tool in heard.of(EventType.TOOL)] == ["error"]
    assert end.ok


def test_files_outside_are_denied_and_the_model_goes_on(
    work: Path, environ: dict[str, str], heard: Heard, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.txt"
    turns = (calls(write(str(outside), "x")), says("I could not."))
    with ModelServer([Rule("task T001", turns)]) as model:
        end = run(work, model.environment(environ), heard)
    assert end.ok
    assert not outside.exists()


def test_a_permission_that_asks_is_not_success(
    work: Path, environ: dict[str, str], heard: Heard
) -> None:
    (work / "opencode.json").write_text(
        '{"$schema":"https://opencode.ai/config.json","permission":{"*":"deny","bash":"ask"}}'
    )
    with ModelServer([Rule("task T001", (calls(shell("echo hi")), says("done")))]) as model:
        end = run(work, model.environment(environ), heard)
    assert (end.status, end.code) == (Outcome.FAILED, "permission_rejected")
    assert [warning["code"] for warning in heard.of(EventType.WARNING)] == ["permission_rejected"]


@pytest.mark.parametrize(
    ("status", "code"), [(401, "model_refused"), (403, "model_refused"), (400, "model_error")]
)
def test_a_refusal_is_reported(
    work: Path, environ: dict[str, str], heard: Heard, status: int, code: str
) -> None:
    with ModelServer([Rule(".", (Turn(status=status),))]) as model:
        end = run(work, model.environment(environ), heard)
    assert (end.status, end.code, end.exit_code) == (Outcome.FAILED, code, 1)
    assert f"refused with {status}" in end.message
    assert heard.of(EventType.WARNING)[0]["code"] == code


def test_an_unknown_model_is_reported(work: Path, environ: dict[str, str], heard: Heard) -> None:
    with ModelServer([]) as model:
        end = run(work, model.environment(environ), heard, "scripted/absent")
    assert end.status is Outcome.FAILED
    assert end.code == "model_error", end


def test_a_stream_that_never_finishes_ends_at_the_limit(
    work: Path, environ: dict[str, str], heard: Heard
) -> None:
    began = time.monotonic()
    endless = Turn("and so on", finish=None, delay=1)
    with ModelServer([Rule(".", (endless,))]) as model:
        end = run(work, model.environment(environ), heard, run_seconds=20)
    assert (end.status, end.code) == (Outcome.TIMED_OUT, "run_limit")
    assert time.monotonic() - began < 40
    assert len(model.requests) > 3


def test_a_stream_that_never_finishes_does_not_burn_the_whole_limit(
    work: Path, environ: dict[str, str], heard: Heard
) -> None:
    with ModelServer([Rule(".", (Turn("and so on", finish=None),))]) as model:
        end = run(work, model.environment(environ), heard)
    assert (end.status, end.code) == (Outcome.FAILED, "model_error")
    assert "no end" in end.message


def test_an_answer_cut_short_is_incomplete(
    work: Path, environ: dict[str, str], heard: Heard
) -> None:
    with ModelServer([Rule(".", (Turn("I was going to", finish="length"),))]) as model:
        end = run(work, model.environment(environ), heard)
    assert (end.status, end.code, end.exit_code) == (Outcome.FAILED, "agent_incomplete", 0)


def test_garbage_from_the_model_fails(work: Path, environ: dict[str, str], heard: Heard) -> None:
    with ModelServer([Rule(".", (Turn(body=b"<html>\xff garbage"),))]) as model:
        end = run(work, model.environment(environ), heard)
    assert (end.status, end.code) == (Outcome.FAILED, "model_error")


def test_a_budget_ends_a_talkative_model(work: Path, environ: dict[str, str], heard: Heard) -> None:
    def again(request: Request) -> Turn:
        return calls(shell(f"echo {request.turn}"))

    with ModelServer([Rule(".", (again,))]) as model:
        end = run(work, model.environment(environ), heard, tokens=500)
    assert (end.status, end.code) == (Outcome.BUDGET_EXCEEDED, "token_budget")
    assert end.usage.tokens >= 500
