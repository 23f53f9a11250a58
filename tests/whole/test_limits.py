"""Limits that end an agent, verify commands, and the consent that these need."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.attempt_scenes import (
    BRANCH,
    BUNDLE,
    ONE,
    REFS,
    SLEEP,
    is_running,
    spawn,
    stored,
    verdict,
    verified,
)
from support.harness import until

if TYPE_CHECKING:
    from support.harness import Harness

WORK = "pathlib.Path('a.txt').write_text('work so far')\n"


def step(reason: str, tokens: int, cost: float) -> str:
    """Return a script's line that prints what OpenCode prints at the end of a step."""
    used = {"input": tokens - 1, "output": 1}
    part = {"type": "step-finish", "reason": reason, "tokens": used, "cost": cost}
    record = {"type": "step_finish", "sessionID": "s", "part": part}
    return f"print({json.dumps(record)!r}, flush=True)\n"


@pytest.mark.parametrize(
    ("script", "setting", "expected", "remedy"),
    [
        (SLEEP, "limits.run_seconds=0.5", ("timed_out", "run_limit"), "limits.run_seconds"),
        (SLEEP, "limits.idle_seconds=0.5", ("idle", "idle_limit"), "limits.idle_seconds"),
        (
            step("tool-calls", 60, 0) + step("tool-calls", 60, 0) + SLEEP,
            "limits.tokens=100",
            ("budget_exceeded", "token_budget"),
            "limits.tokens",
        ),
        (
            step("tool-calls", 60, 0.5) + SLEEP,
            "limits.cost=0.25",
            ("budget_exceeded", "cost_budget"),
            "limits.cost",
        ),
    ],
    ids=["run", "idle", "tokens", "cost"],
)
def test_a_limit_ends_the_agent_and_keeps_its_work(
    harness: Harness, script: str, setting: str, expected: tuple[str, str], remedy: str
) -> None:
    harness.agent(f"{WORK}pathlib.Path('.git/pid').write_text(str(os.getpid()))\n{script}")
    result = spawn(harness, "--set", setting)
    assert (result.code, verdict(result)) == (1, expected)
    event = result.outcome("T001")
    assert remedy in event["hint"]
    assert "retry T001 --from-checkpoint" in event["hint"]
    assert harness.remote_file("a.txt", f"{REFS}/checkpoint") == "work so far"
    (saved,) = result.of("checkpoint")
    assert saved["reason"] == "limit"
    assert not is_running(int((harness.attempt() / "work/.git/pid").read_text()))
    assert verified(harness) == expected


def test_what_was_used_is_reported(harness: Harness) -> None:
    harness.agent(WORK + step("tool-calls", 60, 0.25) + step("stop", 40, 0.5))
    result = spawn(harness, "--set", "limits.tokens=100")
    assert verdict(result) == ("succeeded", "verified")
    event = result.outcome("T001")
    assert (event["input_tokens"], event["output_tokens"], event["cost"]) == (98, 2, 0.75)


def test_a_bundle_shares_one_budget(harness: Harness) -> None:
    harness.tasks(BUNDLE)
    harness.agent(
        "pathlib.Path('a.txt').write_text(task)\n" + step("tool-calls", 60, 0) + "time.sleep(1)"
    )
    result = harness.run("run", "--set", "limits.tokens=100")
    assert verdict(result, "T001") == ("succeeded", "verified")
    assert verdict(result, "T002") == ("budget_exceeded", "token_budget")
    assert stored(harness)["input_tokens"] == 118


def test_verify_commands_become_evidence(harness: Harness) -> None:
    harness.agent(WORK)
    commands = shlex.join(["cat a.txt", "echo fine >&2"])
    result = spawn(harness, "--set", f"verify.commands={commands}")
    assert verdict(result) == ("succeeded", "verified")
    expected = [
        {"task": "T001", "command": "cat a.txt", "exit": 0, "output": "work so far"},
        {"task": "T001", "command": "echo fine >&2", "exit": 0, "output": "fine"},
    ]
    assert stored(harness)["evidence"] == expected


def test_a_verify_command_is_evidence_of_no_change(harness: Harness) -> None:
    harness.agent("")
    assert verdict(spawn(harness, "--set", "verify.commands=true")) == ("no_change", "no_change")


def test_a_failed_verify_command_fails_the_task(harness: Harness) -> None:
    harness.agent(WORK)
    commands = shlex.join(["echo 3 tests failed; exit 3", "true"])
    result = spawn(harness, "--set", f"verify.commands={commands}")
    assert (result.code, verdict(result)) == (1, ("failed", "verify_failed"))
    assert "exit 3" in result.outcome("T001")["message"]
    assert harness.remote_file("a.txt", f"{REFS}/checkpoint") == "work so far"
    assert f"refs/heads/{BRANCH}" not in harness.remote_refs()
    first, second = stored(harness)["evidence"]
    assert (first["exit"], first["output"], second["exit"]) == (3, "3 tests failed", 0)
    assert verified(harness) == ("failed", "verify_failed")


def test_verify_commands_without_end(harness: Harness) -> None:
    harness.agent(WORK)
    result = spawn(harness, "--set", "verify.commands='sleep 61'", "--set", "verify.seconds=1")
    assert verdict(result) == ("failed", "verify_failed")
    assert stored(harness)["evidence"][0]["exit"] == 124


def named_by_repository(harness: Harness, command: str) -> None:
    text = json.dumps({"verify": {"commands": [command]}})
    harness.write(".opencode/sdlc-runner.jsonc", text)


def test_what_a_repository_names_runs_only_with_consent(harness: Harness) -> None:
    harness.tasks(ONE)
    named_by_repository(harness, f"touch {harness.folder}/ran")
    refused = harness.run("spawn", "T001", "--follow")
    assert refused.code == 2
    assert refused.error["code"] == "consent_needed"
    assert f"touch {harness.folder}/ran" in refused.error["message"]
    assert "config --allow-verify" in refused.error["hint"]
    assert not list(harness.state.glob("attempts/*"))
    assert harness.run("run").error["code"] == "consent_needed"
    assert harness.run("config", "--allow-verify").code == 0
    assert verdict(spawn(harness)) == ("succeeded", "verified")
    assert Path(harness.folder / "ran").exists()


def test_other_commands_ask_again(harness: Harness) -> None:
    harness.tasks(ONE)
    named_by_repository(harness, "true")
    harness.run("config", "--allow-verify")
    named_by_repository(harness, "false")
    assert harness.run("spawn", "T001").error["code"] == "consent_needed"
    named_by_repository(harness, "true")
    assert harness.run("spawn", "T001", "--follow").code == 0


def test_retry_asks_too(harness: Harness) -> None:
    harness.agent("sys.exit(1)")
    spawn(harness)
    named_by_repository(harness, "true")
    assert harness.run("retry", "T001").error["code"] == "consent_needed"


def test_a_flag_of_ones_own_needs_no_consent(harness: Harness) -> None:
    harness.tasks(ONE)
    named_by_repository(harness, f"touch {harness.folder}/ran")
    assert verdict(spawn(harness, "--set", "verify.commands=true")) == ("succeeded", "verified")
    assert not Path(harness.folder / "ran").exists()


def test_a_background_child_does_not_outlive_the_agent(harness: Harness) -> None:
    harness.agent(
        WORK + "child = subprocess.Popen(['sleep', '61'])\n"
        "pathlib.Path('.git/pid').write_text(str(child.pid))"
    )
    assert verdict(spawn(harness)) == ("succeeded", "verified")
    pid = int((harness.attempt() / "work/.git/pid").read_text())
    until(lambda: not is_running(pid), 3)
