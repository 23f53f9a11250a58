"""Where OpenCode asks an attempt's model, by its settings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlc_runner.worker import preflight

GATEWAY = "https://gateway.example/v1"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["provider", "model", "options", "baseURL", "models", "p", "m", "api"]),
            inner,
            max_size=4,
        )
    ),
)


def provider(name: str, **settings: object) -> dict[str, Any]:
    return {"provider": {name: settings}}


@pytest.mark.parametrize(
    ("settings", "model", "url"),
    [
        (provider("own", options={"baseURL": GATEWAY}), "own/m", GATEWAY),
        ({"model": "own/m", **provider("own", options={"baseURL": GATEWAY})}, None, GATEWAY),
        (provider("own", api=GATEWAY), "own/m", GATEWAY),
        (provider("own", models={"a/b": {"provider": {"api": GATEWAY}}}), "own/a/b", GATEWAY),
        (provider("anthropic", options={"baseURL": GATEWAY}), "anthropic/m", GATEWAY),
        (provider("own", options={"baseURL": GATEWAY}), "other/m", ""),
        ({}, "anthropic/m", "https://api.anthropic.com"),
        (
            provider("anthropic", options={"apiKey": "k"}),
            "anthropic/m",
            "https://api.anthropic.com",
        ),
        (provider("anthropic", npm="@ai-sdk/amazon-bedrock"), "anthropic/m", ""),
        ({}, "amazon-bedrock/m", ""),
        ({}, None, ""),
        (None, None, ""),
        (provider("own", options={"baseURL": 7}), "own/m", ""),
        (provider("own", options=[GATEWAY]), "own/m", ""),
    ],
)
def test_the_address_of_a_model(settings: object, model: str | None, url: str) -> None:
    assert preflight.url(settings, model, {}) == url


def test_the_variables_that_a_provider_heeds() -> None:
    environ = {"ANTHROPIC_BASE_URL": GATEWAY}
    assert preflight.url({}, "anthropic/m", environ) == GATEWAY
    assert preflight.url({}, "openai/m", environ) == "https://api.openai.com"
    named = provider("anthropic", options={"baseURL": "https://other.example"})
    assert preflight.url(named, "anthropic/m", environ) == "https://other.example"
    assert {"ANTHROPIC_BASE_URL", "HTTPS_PROXY", "NO_PROXY"} <= set(preflight.VARIABLES)


@given(JSON, st.none() | st.text(max_size=9) | st.just("p/m"))
def test_any_settings_are_read(settings: object, model: str | None) -> None:
    preflight.model_way(settings, model, {})
