from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest

from sdlc_runner.config.settings import AgentSettings, HeartbeatSettings
from sdlc_runner.events.types import EventBody, EventType, Outcome
from support.agent_fixtures import SLEEP, SPEC, Heard, Stage, is_gone, limited, python

FINISH = {
    "type": "step_finish",
    "sessionID": "s",
    "part": {"type": "step-finish", "reason": "stop", "tokens": {"input": 5, "output": 2}},
}


def test_a_command_gets_the_prompt_and_ends_well(stage: Stage, heard: Heard) -> None:
    end = stage.script("import sys; print('got', sys.stdin.read()); print('e', file=sys.stderr)")
    assert (end.status, end.code, end.exit_code, end.ok) == (
        Outcome.SUCCEEDED,
        "agent_finished",
        0,
        True,
    )
    assert heard.texts("stdout") == ["got the prompt"]
    assert heard.texts("stderr") == ["e"]


def test_a_failed_command_is_reported(stage: Stage) -> None:
    end = stage.script("raise SystemExit(7)")
    assert (end.status, end.code, end.exit_code) == (Outcome.FAILED, "agent_failed", 7)
    assert "exit code 7" in end.message


def test_a_signal_from_elsewhere_is_reported(stage: Stage) -> None:
    end = stage.script("import os; os.kill(os.getpid(), 9)")
    assert (end.code, end.exit_code) == ("agent_failed", -9)
    assert "SIGKILL" in end.message


def test_a_missing_agent_is_reported_with_a_remedy(stage: Stage, heard: Heard) -> None:
    end = stage.run(replace(SPEC, agent=AgentSettings(command=("no-such-agent",))))
    assert (end.status, end.code, end.exit_code) == (Outcome.FAILED, "agent_not_found", None)
    assert "agent.command" in end.hint
    assert heard.of(EventType.WARNING)[0]["hint"] == end.hint


def test_the_run_limit_ends_it(stage: Stage) -> None:
    began = time.monotonic()
    end = stage.script(SLEEP, run_seconds=0.3)
    assert (end.status, end.code) == (Outcome.TIMED_OUT, "run_limit")
    assert end.exit_code == -15
    assert time.monotonic() - began < 5


def test_silence_ends_it(stage: Stage) -> None:
    end = stage.script(f"print('hi'); {SLEEP}", idle_seconds=0.4)
    assert (end.status, end.code) == (Outcome.IDLE, "idle_limit")


def test_signs_of_life_keep_it(stage: Stage) -> None:
    script = "import time\nfor n in range(12): print(n); time.sleep(0.1)"
    assert stage.script(script, idle_seconds=0.8).ok


def test_being_reported_to_stop_ends_it(stage: Stage) -> None:
    threading.Timer(0.3, stage.stop.set).start()
    end = stage.script(SLEEP)
    assert (end.status, end.code) == (Outcome.INTERRUPTED, "signal")


@pytest.mark.parametrize(
    ("limit", "value", "code"), [("tokens", 6, "token_budget"), ("cost", 0.1, "cost_budget")]
)
def test_a_budget_ends_it(stage: Stage, limit: str, value: float, code: str) -> None:
    part = {**FINISH["part"], "reason": "tool-calls", "cost": 0.2}  # type: ignore[dict-item]
    script = f"print({json.dumps({**FINISH, 'part': part})!r}); {SLEEP}"
    spec = limited(replace(SPEC, agent=AgentSettings(command=python(script))), **{limit: value})
    end = stage.run(spec)
    assert (end.status, end.code) == (Outcome.BUDGET_EXCEEDED, code)
    assert end.usage.tokens == 7


def test_a_budget_that_holds_is_no_matter(stage: Stage) -> None:
    assert stage.script(f"print({json.dumps(FINISH)!r})", tokens=7).ok


def test_an_agent_that_ignores_sigterm_is_killed(stage: Stage) -> None:
    script = f"import signal; signal.signal(15, signal.SIG_IGN); print('x'); {SLEEP}"
    end = stage.script(script, idle_seconds=0.3, grace_seconds=0.3)
    assert end.exit_code == -9


def test_silence_is_reported_by_heartbeats(stage: Stage, heard: Heard) -> None:
    tool = {"type": "tool", "tool": "bash", "state": {"status": "completed"}}
    event = json.dumps({"type": "tool_use", "sessionID": "s", "part": tool})
    command = python(f"import time; print({event!r}); time.sleep(1)")
    stage.run(
        replace(
            SPEC, agent=AgentSettings(command=command), heartbeat=HeartbeatSettings(seconds=0.2)
        )
    )
    beats = heard.of(EventType.HEARTBEAT)
    assert len(beats) >= 2
    assert beats[-1]["last_tool"] == "bash"
    assert beats[-1]["idle"] >= 0.4
    assert beats[0]["since"] == beats[1]["since"]


def test_the_agent_sees_its_own_environment(stage: Stage, heard: Heard) -> None:
    stage.environ |= {"GIT_DIR": "/x", "SDLC_RUNNER_X": "1", "MODEL_HINT": "kept"}
    stage.script("import os; print(sorted(os.environ)); print(os.getcwd() == os.environ['PWD'])")
    names, same = heard.texts()
    assert "GIT_DIR" not in names
    assert "SDLC_RUNNER_X" not in names
    assert "MODEL_HINT" in names
    assert same == "True"


def test_nothing_is_left_when_emit_fails(stage: Stage) -> None:
    pids: list[int] = []

    def emit(body: EventBody) -> None:
        pids.append(int(body.to_fields()["text"]))
        raise OSError(28, "disk full")

    command = python(f"import os; print(os.getpid()); {SLEEP}")
    spec = replace(SPEC, agent=AgentSettings(command=command))
    with pytest.raises(OSError, match="disk full"):
        stage.agent(spec).run(spec.limits, "", emit)
    assert is_gone(pids[0])


def test_opencode_must_end_with_stop(stage: Stage) -> None:
    end = stage.as_opencode(f"print({json.dumps(FINISH)!r})")
    assert (end.status, end.code) == (Outcome.SUCCEEDED, "agent_finished")


def test_opencode_is_given_its_arguments(stage: Stage, heard: Heard) -> None:
    end = stage.as_opencode("import sys; print(sys.argv[1:], sys.stdin.read())")
    assert heard.texts()[0].startswith("['run', '--format', 'json', '--title', '001-demo T001-1'")
    assert heard.texts()[0].endswith("] the prompt")
    assert (end.status, end.code) == (Outcome.FAILED, "agent_incomplete")


def test_opencode_that_was_refused_a_permission_has_failed(stage: Stage) -> None:
    script = (
        f"import sys; print('! x; auto-rejecting', file=sys.stderr); print({json.dumps(FINISH)!r})"
    )
    assert stage.as_opencode(script).code == "permission_rejected"


def test_opencode_that_could_not_ask_its_model_has_failed(stage: Stage) -> None:
    error = {"type": "error", "sessionID": "s", "error": {"data": {"statusCode": 429}}}
    end = stage.as_opencode(f"print({json.dumps(error)!r}); raise SystemExit(1)")
    assert (end.status, end.code, end.exit_code) == (Outcome.FAILED, "model_rate_limited", 1)
    assert "max-parallel" in end.hint


def test_a_model_whose_answers_have_no_end_is_stopped(stage: Stage) -> None:
    part = {"type": "step-finish", "reason": "unknown"}
    event = json.dumps({"type": "step_finish", "sessionID": "s", "part": part})
    end = stage.as_opencode(f"for n in range(30): print({event!r}, flush=True)\n{SLEEP}")
    assert (end.status, end.code) == (Outcome.FAILED, "model_error")
