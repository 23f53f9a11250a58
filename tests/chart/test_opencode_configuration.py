"""OpenCode's configuration in the ConfigMap: what the values say, under what must hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.chart.rendering import render, with_values

pytestmark = pytest.mark.helm

MUST_HOLD = {
    "$schema": "https://opencode.ai/config.json",
    "autoupdate": False,
    "share": "disabled",
    "snapshot": False,
}


def configuration(*settings: str) -> dict[str, Any]:
    text = with_values(*settings).one("ConfigMap")["data"]["opencode.json"]
    found: dict[str, Any] = json.loads(text)
    return found


def test_without_values_it_holds_what_must_hold() -> None:
    found = configuration()
    permission = found.pop("permission")
    assert found == {**MUST_HOLD, "disabled_providers": ["opencode"]}
    assert '"ask"' not in json.dumps(permission), "nobody would answer"
    assert permission["task"]["async-runner"] == "deny"


def test_the_model_and_its_provider_are_named() -> None:
    found = configuration("opencode.model=anthropic/claude", "opencode.smallModel=mine/small")
    assert (found["model"], found["small_model"]) == ("anthropic/claude", "mine/small")
    assert found["enabled_providers"] == ["anthropic", "mine"], "never OpenCode's own"


def test_opencodes_own_models_see_no_code_unless_named() -> None:
    for allowed in ("opencode.enabledProviders={opencode}", "opencode.model=opencode/some"):
        assert "disabled_providers" not in configuration(allowed)
    more = configuration("opencode.config.disabled_providers={x}", "opencode.model=a/b")
    assert more["disabled_providers"] == ["x", "opencode"]


def test_providers_are_given_with_references_to_keys() -> None:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": "http://models:8000/v1?a=1&b=<2>", "apiKey": "{env:VLLM_KEY}"},
        "models": {"m": {"limit": {"context": 128000, "output": 1000000}}},
    }
    rendered = render(f"--set-json=opencode.providers.vllm={json.dumps(provider)}")
    found = json.loads(rendered.one("ConfigMap")["data"]["opencode.json"])
    assert found["provider"] == {"vllm": provider}
    assert found["enabled_providers"] == ["vllm"]


def test_providers_can_be_narrowed() -> None:
    found = configuration("opencode.model=a/b", "opencode.enabledProviders={a,c}")
    assert found["enabled_providers"] == ["a", "c"]


def test_further_settings_are_kept() -> None:
    found = configuration("opencode.config.instructions={RULES.md}")
    assert found["instructions"] == ["RULES.md"]
    assert found.items() >= MUST_HOLD.items()
