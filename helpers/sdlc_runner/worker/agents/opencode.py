"""OpenCode as a child process: ``opencode run --format json``, once for each prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner import process
from sdlc_runner.worker import preflight as worker_preflight
from sdlc_runner.worker.agents import opencode_config
from sdlc_runner.worker.agents.base import DONE, AgentResult
from sdlc_runner.worker.agents.command import exit_failure
from sdlc_runner.worker.agents.local import LocalPlace
from sdlc_runner.worker.agents.opencode_events import failure, unfinished
from sdlc_runner.worker.preflight import NOWHERE, Preflight
from sdlc_runner.worker.untrusted_json import parse_json

if TYPE_CHECKING:
    from sdlc_runner.config.settings import Limits
    from sdlc_runner.worker.agents.base import Emit
    from sdlc_runner.worker.preflight import Way

_ASK_SECONDS = 30.0


@dataclass(frozen=True)
class OpenCodeAgent(LocalPlace):
    """OpenCode with its output read line by line; ``preflight`` tries its model's host first."""

    preflight: Preflight = NOWHERE

    def prepare(self) -> None:
        """Try the model's host, where that is asked for; a missing program shows when it starts."""
        if not self.preflight.seconds:
            return
        given = opencode_config.config(self.spec, self.environ.get("OPENCODE_CONFIG_CONTENT", ""))
        self.preflight.require_model(self._way(given), lambda: self._way(self._settings() or given))

    def run(self, limits: Limits, prompt: str, emit: Emit) -> AgentResult:
        """Run OpenCode once.

        It finished only if it exited with 0, its model's last step was the end, no error was
        left, and no permission was refused.
        """
        argv = opencode_config.run_command(self.spec, self.work)
        ended = self.follow_agent(argv, limits, prompt, emit)
        if isinstance(ended, AgentResult):
            return ended
        cause, translator, code = ended
        wrong = failure(translator) or exit_failure(code) or unfinished(translator)
        return AgentResult.of(cause or wrong or DONE, translator, code)

    def _way(self, settings: object) -> Way | None:
        return worker_preflight.model_way(settings, self.spec.agent.model, self.environ)

    def _settings(self) -> object:
        """Ask OpenCode for all of its settings, those in the repository too: it takes seconds."""
        environ = opencode_config.environment(self.spec, self.work, self.environ)
        argv = (opencode_config.PROGRAM, "debug", "config")
        done = process.run(argv, cwd=self.work, env=environ, timeout=_ASK_SECONDS)
        return parse_json(done.stdout) if done.ok else None
