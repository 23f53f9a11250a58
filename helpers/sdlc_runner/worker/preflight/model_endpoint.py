"""Where OpenCode asks an attempt's model, by its settings; hostile text, so nothing here raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.worker.preflight import endpoints
from sdlc_runner.worker.untrusted_json import as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.worker.preflight.endpoints import Way


class _Default(NamedTuple):
    """Where a provider is that no setting names, and the variable that its program heeds."""

    url: str
    variable: str = ""


# Those whose address is in OpenCode itself; whose address has a region or an account in it is
# not known here, and so is not tried.
_DEFAULTS: Mapping[str, _Default] = {
    "anthropic": _Default("https://api.anthropic.com", "ANTHROPIC_BASE_URL"),
    "openai": _Default("https://api.openai.com", "OPENAI_BASE_URL"),
    "google": _Default("https://generativelanguage.googleapis.com"),
    "mistral": _Default("https://api.mistral.ai"),
    "groq": _Default("https://api.groq.com"),
    "xai": _Default("https://api.x.ai"),
    "deepseek": _Default("https://api.deepseek.com"),
    "openrouter": _Default("https://openrouter.ai"),
}
VARIABLES = (
    *(known.variable for known in _DEFAULTS.values() if known.variable),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
"""What in the agent's environment decides where its model is asked; in any letter case."""


def url(settings: object, model: str | None, environ: Mapping[str, str]) -> str:
    """Return the address of the attempt's model; empty where it cannot be told."""
    told = as_mapping(settings)
    name, _, rest = (model or as_text(told.get("model"))).partition("/")
    provider = as_mapping(as_mapping(told.get("provider")).get(name))
    of_model = as_mapping(as_mapping(provider.get("models")).get(rest)).get("provider")
    found = (
        as_text(as_mapping(provider.get("options")).get("baseURL"))
        or as_text(as_mapping(of_model).get("api"))
        or as_text(provider.get("api"))
    )
    return found or _default(name, provider, environ)


def way(settings: object, model: str | None, environ: Mapping[str, str]) -> Way | None:
    """Return the way to the attempt's model, for whoever has this environment."""
    return endpoints.way(url(settings, model, environ), environ)


def _default(name: str, provider: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    known = _DEFAULTS.get(name)
    if known is None or "npm" in provider:  # another program, which may go elsewhere
        return ""
    return (environ.get(known.variable, "") if known.variable else "") or known.url
