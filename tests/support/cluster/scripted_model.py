"""One key's script on the cluster's model server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.model import script, server

if TYPE_CHECKING:
    from support.cluster.service_door import Door
    from support.model.request import Request
    from support.model.server import Rule

KEY_VARIABLE = "SCRIPTED_API_KEY"


@dataclass(frozen=True)
class ScriptedModel:
    """A model of a test's own; ``url`` is its address for pods, without ``/v1``."""

    url: str
    door: Door

    def rules(self, *rules: Rule) -> None:
        """Say what it shall answer: rules of text and turns, without functions."""
        self.door.call("PUT", "/rules", script.dumps(rules))

    def requests(self) -> list[Request]:
        """Return what it was asked so far."""
        return script.loads_requests(self.door.call("GET", "/requests"))

    def notes(self) -> list[str]:
        """Return what scripted agents noted (``note(text)``)."""
        notes: list[str] = json.loads(self.door.call("GET", "/notes"))
        return notes

    def open(self, gate: str = "go") -> None:
        """Let those go on who wait (``hold(gate)``)."""
        self.door.call("PUT", f"/gates/{gate}")

    def opencode_config(self) -> dict[str, Any]:
        """Return OpenCode's configuration; the key comes from the environment."""
        found = server.config(f"{self.url}/v1")
        found["provider"]["scripted"]["options"]["apiKey"] = f"{{env:{KEY_VARIABLE}}}"
        return found
