from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sdlc_runner.config.settings import AgentSettings
from sdlc_runner.worker.agents import opencode_config
from support.agent_fixtures import SPEC

WORK = Path("/src/tree")


def test_opencode_is_called_with_its_prompt_on_stdin() -> None:
    argv = opencode_config.run_command(replace(SPEC, agent=AgentSettings(model="a/b")), WORK)
    assert argv == (
        *("opencode", "run", "--format", "json", "--title", "001-demo T001-1"),
        *("--dir", "/src/tree", "--model=a/b"),
    )


def test_permissions_never_ask_and_allow_comes_first() -> None:
    permission = opencode_config.config(SPEC)["permission"]
    assert next(iter(permission.items())) == ("*", "allow")
    assert permission["external_directory"] == "deny"
    assert permission["task"] == {"*": "allow", "async-runner": "deny"}
    assert '"ask"' not in json.dumps(permission)
    in_pod = opencode_config.config(replace(SPEC, backend="kubernetes"))
    assert in_pod["permission"]["external_directory"] == "allow"


def test_only_the_models_own_provider_is_enabled() -> None:
    assert "enabled_providers" not in opencode_config.config(SPEC)
    named = opencode_config.config(replace(SPEC, agent=AgentSettings(model="a/b/c")))
    assert named["enabled_providers"] == ["a"]


def test_the_users_configuration_is_kept_below_ours() -> None:
    given = {"share": "auto", "provider": {"a": {}}, "model": "a/b", "permission": {"*": "ask"}}
    merged = opencode_config.config(SPEC, json.dumps(given))
    assert merged["provider"] == {"a": {}}
    assert merged["model"] == "a/b"
    assert merged["share"] == "disabled"
    assert merged["permission"]["*"] == "allow"


@pytest.mark.parametrize("given", ["{", "[]", "null", ""])
def test_a_broken_configuration_is_replaced(given: str) -> None:
    assert opencode_config.config(SPEC, given) == opencode_config.config(SPEC)


def test_the_environment_holds_nothing_of_git_or_ours() -> None:
    given = {
        "PATH": "/bin",
        "PWD": "/elsewhere",
        "OPENCODE": "1",
        "OPENCODE_PID": "7",
        "OPENCODE_SERVER_PASSWORD": "pw",
        "OPENCODE_PERMISSION": '{"bash":"ask"}',
        "GIT_DIR": "/x",
        "GIT_SSH_COMMAND": "ssh",
        "SDLC_RUNNER_ANYTHING": "x",
        "ANTHROPIC_API_KEY": "sk",
    }
    env = opencode_config.environment(SPEC, WORK, given)
    assert set(given) & set(env) == {"PATH", "PWD", "ANTHROPIC_API_KEY"}
    assert env["PWD"] == "/src/tree"
    assert env["GIT_TERMINAL_PROMPT"] == "0"
    assert env["SPECIFY_FEATURE_DIRECTORY"] == "specs/001-demo"
    assert env["OPENCODE_PURE"] == "1"
