"""How OpenCode is started: its arguments, its configuration, and the environment it gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sdlc_runner.attempt.spec import AttemptSpec

PROGRAM = "opencode"
_REMOVED = frozenset(
    {"OPENCODE", "OPENCODE_PID", "OPENCODE_PERMISSION", "OPENCODE_SERVER_PASSWORD", "OLDPWD"}
)
_REMOVED_PREFIXES = ("GIT_", "SDLC_RUNNER_")
_SWITCHES = {
    "OPENCODE_PURE": "1",  # the clone's plugins would have every start wait for an npm install
    # Two first starts at once cannot both make its database: one would fail.
    "OPENCODE_DB": ":memory:",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
}


def run_command(spec: AttemptSpec, work: Path) -> tuple[str, ...]:
    """Return the argv of one run of OpenCode; the prompt comes on stdin."""
    title = f"{spec.key.feature} {spec.key}"
    model = spec.agent.model
    chosen = (f"--model={model}",) if model else ()  # one word: never taken for another flag
    return (PROGRAM, "run", "--format", "json", "--title", title, "--dir", str(work), *chosen)


def serve_command(port: int) -> tuple[str, ...]:
    """Return the argv of OpenCode's server, for this machine's loopback interface only."""
    return (PROGRAM, "serve", "--hostname", "127.0.0.1", "--port", str(port))


def environment(spec: AttemptSpec, work: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the agent and of what it wrote, without git's and the runner's."""
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _REMOVED and not name.startswith(_REMOVED_PREFIXES)
    }
    given = environ.get("OPENCODE_CONFIG_CONTENT", "")
    return {
        **kept,
        **_SWITCHES,
        "PWD": str(work),  # OpenCode believes this more than its working directory
        "GIT_TERMINAL_PROMPT": "0",
        "SPECIFY_FEATURE_DIRECTORY": spec.feature_dir,
        "OPENCODE_CONFIG_CONTENT": json.dumps(config(spec, given), separators=(",", ":")),
    }


def config(spec: AttemptSpec, given: str = "") -> dict[str, Any]:
    """Return OpenCode's configuration: the user's own content, with what must hold laid over it."""
    ours: dict[str, Any] = {
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": False,
        "share": "disabled",
        "snapshot": False,
        "permission": _permission(spec),
    }
    provider, _, model = spec.agent.model.partition("/")
    if provider and model:
        ours["enabled_providers"] = [provider]  # never OpenCode's own hosted models
    return {**_parse(given), **ours}


def _permission(spec: AttemptSpec) -> dict[str, Any]:
    return {
        # the last rule that matches wins; an "ask" would end the session, since no one answers
        "*": "allow",
        "external_directory": "deny" if spec.backend == "local" else "allow",
        "doom_loop": "deny",
        "question": "deny",
        "task": {"*": "allow", "async-runner": "deny"},  # the clone carries the bundle
    }


def _parse(given: str) -> dict[str, Any]:
    try:
        parsed = json.loads(given)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
