"""``attach``: opens a running agent's own session."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from sdlc_runner import process
from sdlc_runner.errors import Code, ExitCode, UsageError
from sdlc_runner.events.types import AttachedEvent
from sdlc_runner.orchestrator import agent_session
from sdlc_runner.worker.agents.opencode_server.client import USER

if TYPE_CHECKING:
    from sdlc_runner.commands.call import Call
    from sdlc_runner.orchestrator.agent_session import AgentSession
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.output.output import Output

_LOOK_SECONDS = 2.0


def run(call: Call) -> ExitCode:
    """Open it in this terminal; without a terminal, or with ``--url``, print where it is."""
    terminal = sys.stdin.isatty() and call.output.stdout.isatty() and not call.output.json
    attach = open_opencode if terminal and not call.args.url else keep_open
    return attach(call.open(), call.args.task, call.output)


def open_opencode(project: Project, task: str, output: Output) -> ExitCode:
    """Show the agent's session in this terminal, by the user's own OpenCode."""
    with agent_session.connect(project, task) as agent:
        argv = ("opencode", "attach", agent.forward.url, "--dir", agent.server.directory)
        secret = {
            "OPENCODE_SERVER_USERNAME": USER,
            "OPENCODE_SERVER_PASSWORD": agent.server.password,
        }
        code = process.lend_terminal(
            (*argv, "--session", agent.session()), env={**project.environ, **secret}
        )
    if code == process.NOT_FOUND:
        raise UsageError(
            Code.BAD_CONFIG,
            "OpenCode is not installed on this machine.",
            f"`npm install -g opencode-ai` installs it; or `sdlc-runner attach {task} --url`.",
        )
    output.note(
        f"{agent.known.key} goes on: `sdlc-runner follow {agent.known.key.task}` prints its events."
    )
    return ExitCode.OK if code == 0 else ExitCode.TASK_FAILED


def keep_open(project: Project, task: str, output: Output) -> ExitCode:
    """Say where the agent's server is reached, and keep it so until the attempt ends."""
    with agent_session.connect(project, task) as agent:
        _emit_address(agent, output)
        while project.backend.refresh(agent.status).ending.alive:
            time.sleep(_LOOK_SECONDS)
    output.note(f"Attempt {agent.known.key} has ended.")
    return ExitCode.OK


def _emit_address(agent: AgentSession, output: Output) -> None:
    session, status = agent.session(), agent.status
    opencode = (
        f"opencode attach {agent.forward.url} --dir {agent.server.directory} --session {session}"
    )
    output.emit(
        AttachedEvent(
            backend=status.spec.backend,
            where=status.place,
            branch=agent.known.branch,
            base=agent.known.base,
            tasks=list(agent.known.tasks),
            url=agent.forward.url,
            session=session,
            hint=f"OPENCODE_SERVER_PASSWORD=$({agent.server.reveal}) {opencode}",
        ),
        agent.known.key,
    )
