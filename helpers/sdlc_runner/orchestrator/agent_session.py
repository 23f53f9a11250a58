"""The session of a running agent, reached through the API server and a port of this machine.

The password travels in environments and headers, never in arguments or addresses.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from sdlc_runner.backends.kubernetes.agent_endpoint import forwarded
from sdlc_runner.errors import Code, RunnerError, UnreachableError, UsageError
from sdlc_runner.orchestrator import registry
from sdlc_runner.worker.agents.opencode_server.client import (
    Answer,
    Server,
    ServerGone,
    TooSlow,
)
from sdlc_runner.worker.agents.opencode_server.session import is_name
from sdlc_runner.worker.untrusted_json import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from sdlc_runner.backends.base import AgentServer, AttemptStatus
    from sdlc_runner.backends.kubernetes.agent_endpoint import PortForward
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt

_ANSWER_SECONDS = 15.0
_SESSIONS = 100


@dataclass(frozen=True)
class AgentSession:
    """An open connection to the server of an attempt's agent."""

    known: Attempt
    status: AttemptStatus
    server: AgentServer
    forward: PortForward

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Ask the agent's server; raises ``cluster_unreachable`` or ``agent_server_refused``."""
        client = Server(self.forward.port, self.server.password, self.server.directory)
        try:
            answer = client.call(method, path, body, seconds=_ANSWER_SECONDS)
        except (ServerGone, TooSlow) as error:
            self._fail(error)
        if answer.ok:
            return answer
        what = "does not take the password" if answer.refused else f"answered {answer.status}"
        raise RunnerError(
            Code.AGENT_SERVER_REFUSED,
            f"The agent's server of {self.known.key} {what}.",
            "A running attempt keeps the password it started with; the next one gets the new.",
        )

    def _fail(self, error: Exception) -> NoReturn:
        if self.forward.failure is not None:
            raise self.forward.failure.to_error(f"Cannot connect to the agent of {self.known.key}")
        slow = isinstance(error, TooSlow)
        raise UnreachableError(
            Code.CLUSTER_UNREACHABLE,
            f"The agent's server of {self.known.key} "
            + ("does not answer." if slow else f"cannot be reached: {error}."),
            f"`sdlc-runner follow {self.known.key.task}` shows whether it is still running.",
        )

    def session(self) -> str:
        """Return the newest session of the attempt; raises ``not_running`` if there is none yet.

        Commands that verify the work have sessions of their own, by another title.
        """
        title = f"{self.known.key.feature} {self.known.key}"
        found = as_list(self.ask("GET", f"/session?roots=true&limit={_SESSIONS}").value)
        ours = [item for item in map(as_mapping, found) if self._is_ours(item, title)]
        newest = max(ours, key=_created, default={})
        name = as_text(newest.get("id"))
        if not is_name(name):
            raise self.idle("has not started working yet")
        return name

    def _is_ours(self, session: Mapping[str, Any], title: str) -> bool:
        wanted = {"directory": self.server.directory, "title": title}
        is_ours = all(session.get(key) == value for key, value in wanted.items())
        return is_ours and not session.get("parentID")

    def is_busy(self, session: str) -> bool:
        """Whether the agent is at work in a session."""
        statuses = as_mapping(self.ask("GET", "/session/status").value)
        return as_text(as_mapping(statuses.get(session)).get("type")) not in {"", "idle"}

    def idle(self, what: str) -> UsageError:
        """Make the error for an agent that would not read a message now."""
        task = self.known.key.task
        hint = f"`sdlc-runner follow {task}` shows when it is working."
        return UsageError(Code.NOT_RUNNING, f"The agent of {self.known.key} {what}.", hint)


def _created(session: Mapping[str, Any]) -> float:
    found = as_mapping(session.get("time")).get("created")
    return found if isinstance(found, (int, float)) else 0.0


@contextlib.contextmanager
def connect(project: Project, task: str) -> Iterator[AgentSession]:
    """Connect to the newest attempt of a task; raises ``not_running`` if it is not here."""
    (known,) = registry.newest(project, [task])
    status = known.status
    if status is None:
        raise UsageError(
            Code.NOT_RUNNING,
            f"Attempt {known.key} is not here: it was started elsewhere, or was removed.",
            f"`sdlc-runner verify {known.key.task}` shows how it ended.",
        )
    server = project.backend.agent_server(status)
    with forwarded(server.connect) as forward:
        yield AgentSession(known, status, server, forward)
