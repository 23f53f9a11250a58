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
    from support.harness import Rig

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
    rig: Rig, script: str, setting: str, expected: tuple[str, str], remedy: str
) -> None:
    rig.agent(f"{WORK}pathlib.Path('.git/pid').write_text(str(os.getpid()))\n{script}")
    result = spawn(rig, "--set", setting)
    assert (result.code, verdict(result)) == (1, expected)
    event = result.outcome("T001")
    assert remedy in event["hint"]
    assert "retry T001 --from-checkpoint" in event["hint"]
    assert rig.remote_file("a.txt", f"{REFS}/checkpoint") == "work so far"
    (saved,) = result.of("checkpoint")
    assert saved["reason"] == "limit"
    assert not is_running(int((rig.attempt() / "work/.git/pid").read_text()))
    assert verified(rig) == expected


def test_what_was_used_is_told(rig: Rig) -> None:
    rig.agent(WORK + step("tool-calls", 60, 0.25) + step("stop", 40, 0.5))
    result = spawn(rig, "--set", "limits.tokens=100")
    assert verdict(result) == ("succeeded", "verified")
    event = result.outcome("T001")
    assert (event["input_tokens"], event["output_tokens"], event["cost"]) == (98, 2, 0.75)


def test_a_bundle_shares_one_budget(rig: Rig) -> None:
    rig.tasks(BUNDLE)
    rig.agent(
        "pathlib.Path('a.txt').write_text(task)\n" + step("tool-calls", 60, 0) + "time.sleep(1)"
    )
    result = rig.run("run", "--set", "limits.tokens=100")
    assert verdict(result, "T001") == ("succeeded", "verified")
    assert verdict(result, "T002") == ("budget_exceeded", "token_budget")
    assert stored(rig)["input_tokens"] == 118


def test_verify_commands_become_evidence(rig: Rig) -> None:
    rig.agent(WORK)
    commands = shlex.join(["cat a.txt", "echo fine >&2"])
    result = spawn(rig, "--set", f"verify.commands={commands}")
    assert verdict(result) == ("succeeded", "verified")
    expected = [
        {"task": "T001", "command": "cat a.txt", "exit": 0, "output": "work so far"},
        {"task": "T001", "command": "echo fine >&2", "exit": 0, "output": "fine"},
    ]
    assert stored(rig)["evidence"] == expected


def test_a_verify_command_is_evidence_of_no_change(rig: Rig) -> None:
    rig.agent("")
    assert verdict(spawn(rig, "--set", "verify.commands=true")) == ("no_change", "no_change")


def test_a_failed_verify_command_fails_the_task(rig: Rig) -> None:
    rig.agent(WORK)
    commands = shlex.join(["echo 3 tests failed; exit 3", "true"])
    result = spawn(rig, "--set", f"verify.commands={commands}")
    assert (result.code, verdict(result)) == (1, ("failed", "verify_failed"))
    assert "exit 3" in result.outcome("T001")["message"]
    assert rig.remote_file("a.txt", f"{REFS}/checkpoint") == "work so far"
    assert f"refs/heads/{BRANCH}" not in rig.remote_refs()
    first, second = stored(rig)["evidence"]
    assert (first["exit"], first["output"], second["exit"]) == (3, "3 tests failed", 0)
    assert verified(rig) == ("failed", "verify_failed")


def test_verify_commands_without_end(rig: Rig) -> None:
    rig.agent(WORK)
    result = spawn(rig, "--set", "verify.commands='sleep 61'", "--set", "verify.seconds=1")
    assert verdict(result) == ("failed", "verify_failed")
    assert stored(rig)["evidence"][0]["exit"] == 124


def named_by_repository(rig: Rig, command: str) -> None:
    rig.write(".opencode/sdlc-runner.yaml", f"verify:\n  commands:\n    - '{command}'\n")


def test_what_a_repository_names_runs_only_with_consent(rig: Rig) -> None:
    rig.tasks(ONE)
    named_by_repository(rig, f"touch {rig.folder}/ran")
    refused = rig.run("spawn", "T001", "--follow")
    assert refused.code == 2
    assert refused.error["code"] == "consent_needed"
    assert f"touch {rig.folder}/ran" in refused.error["message"]
    assert "config --allow-verify" in refused.error["hint"]
    assert not list(rig.state.glob("attempts/*"))
    assert rig.run("run").error["code"] == "consent_needed"
    assert rig.run("config", "--allow-verify").code == 0
    assert verdict(spawn(rig)) == ("succeeded", "verified")
    assert Path(rig.folder / "ran").exists()


def test_other_commands_ask_again(rig: Rig) -> None:
    rig.tasks(ONE)
    named_by_repository(rig, "true")
    rig.run("config", "--allow-verify")
    named_by_repository(rig, "false")
    assert rig.run("spawn", "T001").error["code"] == "consent_needed"
    named_by_repository(rig, "true")
    assert rig.run("spawn", "T001", "--follow").code == 0


def test_retry_asks_too(rig: Rig) -> None:
    rig.agent("sys.exit(1)")
    spawn(rig)
    named_by_repository(rig, "true")
    assert rig.run("retry", "T001").error["code"] == "consent_needed"


def test_a_flag_of_ones_own_needs_no_consent(rig: Rig) -> None:
    rig.tasks(ONE)
    named_by_repository(rig, f"touch {rig.folder}/ran")
    assert verdict(spawn(rig, "--set", "verify.commands=true")) == ("succeeded", "verified")
    assert not Path(rig.folder / "ran").exists()


def test_a_background_child_does_not_outlive_the_agent(rig: Rig) -> None:
    rig.agent(
        WORK + "child = subprocess.Popen(['sleep', '61'])\n"
        "pathlib.Path('.git/pid').write_text(str(child.pid))"
    )
    assert verdict(spawn(rig)) == ("succeeded", "verified")
    pid = int((rig.attempt() / "work/.git/pid").read_text())
    until(lambda: not is_running(pid), 3)
