"""``attach`` and ``send``: a person at a running agent's own server.

The way leads through the API server to a port of this machine; the password travels in
environments and headers, never in arguments or addresses.
"""

from __future__ import annotations

import contextlib
import time
from typing import IO, TYPE_CHECKING, NamedTuple, NoReturn

from sdlc_runner import process
from sdlc_runner.backends.kubernetes.port_forward import forwarded
from sdlc_runner.commands import control
from sdlc_runner.errors import Code, ExitCode, RunnerError, UnreachableError, UsageError
from sdlc_runner.events.codec import EventType
from sdlc_runner.worker.agents.opencode_server.client import (
    USER,
    Answer,
    Server,
    ServerGone,
    TooSlow,
)
from sdlc_runner.worker.agents.opencode_server.session import is_name
from sdlc_runner.worker.untrusted_json import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from sdlc_runner.backends.base import AgentServer, AttemptStatus
    from sdlc_runner.backends.kubernetes.port_forward import Forward
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output

TEXT_BYTES = 32 * 1024
_ANSWER_SECONDS = 15.0
_SESSIONS = 100
_LOOK_SECONDS = 2.0


class Way(NamedTuple):
    """An open way to the agent of an attempt."""

    known: Attempt
    status: AttemptStatus
    agent: AgentServer
    forward: Forward

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Ask the agent's server; raises ``cluster_unreachable`` or ``agent_server_refused``."""
        server = Server(self.forward.port, self.agent.password, self.agent.directory)
        try:
            answer = server.call(method, path, body, seconds=_ANSWER_SECONDS)
        except (ServerGone, TooSlow) as error:
            self._fail(error)
        if answer.ok:
            return answer
        what = "does not take the password" if answer.refused else f"answered {answer.status}"
        raise RunnerError(
            Code.AGENT_SERVER_REFUSED,
            f"The agent's server of {self.known.key} {what}.",
            "An attempt keeps the password that it began with; a new one is taken by the next.",
        )

    def _fail(self, error: Exception) -> NoReturn:
        if self.forward.failure is not None:
            raise self.forward.failure.to_error(f"No way to the agent of {self.known.key}")
        slow = isinstance(error, TooSlow)
        raise UnreachableError(
            Code.CLUSTER_UNREACHABLE,
            f"The agent's server of {self.known.key} "
            + ("does not answer." if slow else f"is not there: {error}."),
            f"`sdlc-runner follow {self.known.key.task}` tells whether it still runs.",
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
            raise self.idle("has not begun to work yet")
        return name

    def _is_ours(self, session: Mapping[str, Any], title: str) -> bool:
        wanted = {"directory": self.agent.directory, "title": title}
        is_ours = all(session.get(key) == value for key, value in wanted.items())
        return is_ours and not session.get("parentID")

    def is_busy(self, session: str) -> bool:
        """Whether the agent is at work in a session."""
        statuses = as_mapping(self.ask("GET", "/session/status").value)
        return as_text(as_mapping(statuses.get(session)).get("type")) not in {"", "idle"}

    def idle(self, what: str) -> UsageError:
        """Make the error for an agent that would not hear."""
        task = self.known.key.task
        hint = f"`sdlc-runner follow {task}` tells when it works."
        return UsageError(Code.NOT_RUNNING, f"The agent of {self.known.key} {what}.", hint)


def _created(session: Mapping[str, Any]) -> float:
    found = as_mapping(session.get("time")).get("created")
    return found if isinstance(found, (int, float)) else 0.0


@contextlib.contextmanager
def _way(project: Project, task: str) -> Iterator[Way]:
    (known,) = control.newest(project, [task])
    status = known.status
    if status is None:
        raise UsageError(
            Code.NOT_RUNNING,
            f"Attempt {known.key} is not here: it began elsewhere, or was removed.",
            f"`sdlc-runner verify {known.key.task}` tells how it ended.",
        )
    agent = project.backend.agent_server(status)
    with forwarded(agent.connect) as forward:
        yield Way(known, status, agent, forward)


def text_of(words: Sequence[str], stdin: IO[bytes]) -> str:
    """Join the words of a message, or read it from ``stdin`` for ``-``; raises ``bad_argument``."""
    given = stdin.read(TEXT_BYTES + 1) if list(words) == ["-"] else " ".join(words).encode()
    if not given.strip():
        raise UsageError(Code.BAD_ARGUMENT, "There is nothing to send.", "Give a text, or `-`.")
    if len(given) > TEXT_BYTES:
        raise UsageError(
            Code.BAD_ARGUMENT,
            f"A message has at most {TEXT_BYTES >> 10} KiB.",
            "Put the rest into a file of the feature, and push it for the next attempt.",
        )
    try:
        return given.decode()
    except UnicodeDecodeError as error:
        raise UsageError(Code.NOT_UTF8, f"The message is not UTF-8: {error.reason}.") from None


def send(project: Project, task: str, text: str, output: Output) -> ExitCode:
    """Put a text before the agent; it reads it before its next step."""
    with _way(project, task) as way:
        session = way.session()
        # Once it is idle its runner commits, and would not wait for another turn.
        if not way.is_busy(session):
            raise way.idle("has ended its turn; its work is being committed")
        body = {"parts": [{"type": "text", "text": text}]}
        way.ask("POST", f"/session/{session}/prompt_async", body)
        output.tell(EventType.SENT, way.known.key, session=session, bytes=len(text.encode()))
    return ExitCode.OK


def open_opencode(project: Project, task: str, output: Output) -> ExitCode:
    """Show the agent's session in this terminal, by the user's own OpenCode."""
    with _way(project, task) as way:
        argv = ("opencode", "attach", way.forward.url, "--dir", way.agent.directory)
        secret = {"OPENCODE_SERVER_USERNAME": USER, "OPENCODE_SERVER_PASSWORD": way.agent.password}
        code = process.lend_terminal(
            (*argv, "--session", way.session()), env={**project.environ, **secret}
        )
    if code == process.NOT_FOUND:
        raise UsageError(
            Code.BAD_CONFIG,
            "OpenCode is not installed here.",
            f"`npm install -g opencode-ai`, or `sdlc-runner attach {task} --url`.",
        )
    output.note(f"{way.known.key} goes on; `sdlc-runner follow {way.known.key.task}`.")
    return ExitCode.OK if code == 0 else ExitCode.TASK_FAILED


def keep_open(project: Project, task: str, output: Output) -> ExitCode:
    """Say where the agent's server is reached, and keep it so until the attempt ends."""
    with _way(project, task) as way:
        _tell_where(way, output)
        while project.backend.refresh(way.status).ending.alive:
            time.sleep(_LOOK_SECONDS)
    output.note(f"Attempt {way.known.key} has ended.")
    return ExitCode.OK


def _tell_where(way: Way, output: Output) -> None:
    session, status = way.session(), way.status
    opencode = f"opencode attach {way.forward.url} --dir {way.agent.directory} --session {session}"
    output.tell(
        EventType.ATTACHED,
        way.known.key,
        backend=status.spec.backend,
        where=status.place,
        branch=way.known.branch,
        base=way.known.base,
        tasks=list(way.known.tasks),
        url=way.forward.url,
        session=session,
        hint=f"OPENCODE_SERVER_PASSWORD=$({way.agent.reveal}) {opencode}",
    )
