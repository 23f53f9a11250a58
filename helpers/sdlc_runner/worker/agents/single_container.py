"""The agent as our child in a pod of one container: its model is tried before it begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner import process
from sdlc_runner.worker.agents import opencode_config
from sdlc_runner.worker.agents.base import DirectAgent
from sdlc_runner.worker.preflight import model_endpoint
from sdlc_runner.worker.preflight.preflight import NOWHERE, Preflight
from sdlc_runner.worker.untrusted_json import parse_json

if TYPE_CHECKING:
    from sdlc_runner.worker.preflight.endpoints import Way

_ASK_SECONDS = 30.0


@dataclass(frozen=True)
class SingleAgent(DirectAgent):
    """The same as on any machine, behind a network policy."""

    reach: Preflight = NOWHERE

    def get_ready(self) -> None:
        """Try the model's host; whether the agent can be started shows when it is."""
        if self.spec.agent.command or not self.reach.seconds:
            return
        given = opencode_config.config(self.spec, self.environ.get("OPENCODE_CONFIG_CONTENT", ""))
        self.reach.require_model(self._way(given), lambda: self._way(self._settings() or given))

    def _way(self, settings: object) -> Way | None:
        return model_endpoint.way(settings, self.spec.agent.model, self.environ)

    def _settings(self) -> object:
        """Ask OpenCode for all of its settings, those in the repository too: it takes seconds."""
        environ = opencode_config.environment(self.spec, self.work, self.environ)
        argv = (opencode_config.PROGRAM, "debug", "config")
        done = process.run(argv, cwd=self.work, env=environ, timeout=_ASK_SECONDS)
        return parse_json(done.stdout) if done.ok else None
