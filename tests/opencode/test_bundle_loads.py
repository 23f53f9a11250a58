"""What the real OpenCode makes of the bundle, in a repository of every flavour."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from sdlc_runner.install import permissions
from sdlc_runner.install.permissions import CALL
from support import harness as harnesses
from support.git import spec_kit_layouts

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import Harness

pytestmark = [pytest.mark.opencode, pytest.mark.slow]

COMPANIONS = {f"async-{name}" for name in ("status", "cancel", "attach", "merge")}
MAY = ("spawn T001 --follow", "follow T001", "verify T001", "status")
MAY_NOT = ("merge", "publish", "run", "config --allow-verify", "uninstall", "cancel T001")


@pytest.fixture
def bare(tmp_path: Path, programs: Path) -> Harness:
    """A rig that has OpenCode on PATH."""
    made = harnesses.create(tmp_path)
    made.env["PATH"] = f"{programs}:{made.env['PATH']}"
    made.env |= {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
    return made


def debug(harness: Harness, *argv: str) -> Any:  # noqa: ANN401
    """Ask OpenCode what it loaded."""
    path = harness.folder / "debug.json"
    with path.open("wb") as file:  # of a pipe it leaves out what is beyond 64 KiB
        done = subprocess.run(
            ["opencode", "debug", *argv],
            cwd=harness.checkout,
            env=harness.env,
            check=False,
            stdout=file,
            stderr=subprocess.PIPE,
            timeout=100,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_bytes())


def implement_commands(loaded: dict[str, Any]) -> list[str]:
    return [name for name in loaded.get("command", {}) if name.endswith("implement")]


@pytest.mark.parametrize("name", spec_kit_layouts.FLAVOURS)
def test_shows_exactly_ours(bare: Harness, name: str) -> None:
    make, typed = spec_kit_layouts.FLAVOURS[name]
    make(bare)
    before = debug(bare, "config")
    assert bare.run("install").code == 0
    loaded = debug(bare, "config")
    assert implement_commands(loaded) == [typed]
    assert "<!-- sdlc-runner:implement -->" in loaded["command"][typed]["template"]
    assert {*loaded["command"]} == {*before.get("command", {}), typed, *COMPANIONS}
    assert {*loaded["agent"]} == {*before["agent"], "async-runner"}
    assert "async-runner" in [skill["name"] for skill in debug(bare, "skill")]


def decided(rules: list[dict[str, str]], tool: str, call: str) -> str:
    """What the last rule that matches says; patterns of ours have stars at their ends only."""
    matching = (rule for rule in rules if rule["permission"] in {"*", tool})
    return [rule["action"] for rule in matching if _matches(rule["pattern"], call)][-1]


def _matches(pattern: str, call: str) -> bool:
    if pattern.startswith("*"):
        return pattern.strip("*") in call
    if pattern.endswith(" *"):
        return f"{call} ".startswith(pattern[:-1])
    return pattern == call


def test_the_subagent_may_do_four_things(bare: Harness) -> None:
    assert bare.run("install").code == 0
    agent = debug(bare, "agent", "async-runner")
    assert agent["mode"] == "subagent"
    assert [name for name, is_there in agent["tools"].items() if is_there] == ["bash"]
    rules = agent["permission"]
    for verb in MAY:
        assert decided(rules, "bash", f"{CALL} {verb}") == "allow"
    for verb in MAY_NOT:
        assert decided(rules, "bash", f"{CALL} {verb}") == "deny"
    steered = [f"{CALL} spawn T001 {flag} x --follow" for flag in permissions.STEERING]
    for call in ("ls", f"{CALL}x", "git push", *steered):
        assert decided(rules, "bash", call) == "deny"
    assert decided(rules, "bash", f"{CALL} spawn T001 --follow") == "allow"
    assert {rule["action"] for rule in rules[-8:]} == {"allow", "deny"}  # an ask would end it


CONFIG = """\
{
  "$schema": "https://opencode.ai/config.json", // theirs
  "permission": {
    "edit": "ask",
    "bash": { "*": "ask", "git *": "allow" },
    "task": "deny",
  },
}
"""


@pytest.mark.parametrize("name", ["opencode.json", ".opencode/opencode.jsonc"])
def test_rules_are_merged_into_a_configuration(bare: Harness, name: str) -> None:
    path = bare.write(name, CONFIG)
    done = bare.run("install")
    assert done.code == 0, done.stdout
    assert name in [event["name"] for event in done.of("installed")]
    rules = debug(bare, "agent", "build")["permission"]
    assert decided(rules, "bash", f"{CALL} plan US1") == "allow"
    assert decided(rules, "bash", f"{CALL} config --allow-verify") == "ask"
    assert decided(rules, "bash", "rm -rf /") == "ask"
    assert decided(rules, "bash", "git status") == "allow"
    assert decided(rules, "task", "async-runner") == "allow"
    assert decided(rules, "task", "other") == "deny"
    assert not bare.run("install").of("installed")
    path.write_text(path.read_text().replace("// theirs", "// theirs, newer"))
    assert not bare.run("install").of("installed")
    assert bare.run("uninstall").code == 0
    assert path.read_text() == CONFIG.replace("// theirs", "// theirs, newer")


def test_a_user_s_own_ask_is_not_replaced(bare: Harness) -> None:
    user = bare.folder / "config/opencode/opencode.json"
    user.parent.mkdir(parents=True)
    user.write_text('{"$schema": "https://opencode.ai/config.json", "permission": {"bash": "ask"}}')
    path = bare.write("opencode.json", '{"$schema": "https://opencode.ai/config.json"}\n')
    before = path.read_bytes()
    assert bare.run("install").code == 0
    assert path.read_bytes() == before
    rules = debug(bare, "agent", "build")["permission"]
    assert decided(rules, "bash", "rm -rf /") == "ask"
