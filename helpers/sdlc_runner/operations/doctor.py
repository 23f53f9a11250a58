"""``doctor``: proves the chain link by link, and says how to mend each."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner import consent, naming, process, project
from sdlc_runner.errors import Code, ExitCode, RunnerError, UsageError
from sdlc_runner.events import EventType
from sdlc_runner.git import Git
from sdlc_runner.operations import attempts, spawning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from sdlc_runner.output import Output
    from sdlc_runner.project import Project

OLDEST_PYTHON = (3, 10)
OLDEST_GIT = (2, 34)
OPENCODE_TRIED = "1.18"
_LEAST_BYTES = 200 * 1024 * 1024
_VERSION_SECONDS = 30.0

Check = tuple[str, "Callable[[], str]"]


@dataclass(frozen=True)
class Surroundings:
    """Where doctor looks, before it is known whether there is a project at all."""

    start: Path
    environ: Mapping[str, str]
    home: Path
    flags: Mapping[str, Any]


def examine(around: Surroundings, output: Output) -> ExitCode:
    """Make every check, each as far as those before it allow."""
    worst = ExitCode.OK
    for name, check in _checks(around):
        try:
            output.tell(EventType.CHECK, name=name, ok=True, message=check())
        except RunnerError as error:
            worst = max(worst, error.exit_code, ExitCode.TASK_FAILED)
            output.tell(
                EventType.CHECK,
                name=name,
                ok=False,
                message=error.message,
                hint=error.hint or None,
                code=error.code.value,
            )
    verdict = "Every link holds." if worst is ExitCode.OK else "Mend what is BAD, then ask again."
    output.tell(
        EventType.SUMMARY, verb="doctor", verdict=verdict, ok=worst is ExitCode.OK, exit=int(worst)
    )
    return worst


def _checks(around: Surroundings) -> Iterator[Check]:
    yield "python", _python
    yield "git", _git
    opened: list[Project] = []

    def open_it() -> str:
        opened.append(project.open_project(around.start, around.environ, around.home, around.flags))
        return f"{opened[0].repo.root}, settings read"

    yield "repository", open_it
    if opened:
        yield from _project_checks(opened[0])


def _project_checks(found: Project) -> Iterator[Check]:
    yield "branch", lambda: f"on {found.branch}"
    yield "identity", lambda: _identity(found)
    yield "feature", lambda: _feature(found)
    yield "remote", lambda: _remote(found)
    yield "published", lambda: _published(found)
    yield "agent", lambda: _agent(found)
    yield "consent", lambda: _consent(found)
    yield "state", lambda: _state(found)


def _python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        raise UsageError(
            Code.BAD_CONFIG, f"Python {version} is too old.", "Use Python 3.10 or newer."
        )
    return f"Python {version}"


def _git() -> str:
    text = Git(Path("/")).run("--version")
    match = re.search(r"(\d+)\.(\d+)", text)
    if match is None or (int(match[1]), int(match[2])) < OLDEST_GIT:
        raise UsageError(Code.NO_GIT, f"{text} is too old.", "Use git 2.34 or newer.")
    return text


def _identity(found: Project) -> str:
    asked = ("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    done = found.repo.git.try_run(*asked)
    if not done.ok:
        raise UsageError(
            Code.BAD_CONFIG,
            "git does not know who you are, so `publish` cannot commit for you.",
            "`git config --global user.email YOU@EXAMPLE.ORG` and user.name.",
        )
    return done.text.rpartition(">")[0] + ">"


def _feature(found: Project) -> str:
    _, task_file = found.load_tasks()
    return f"{found.tasks_path}: {len(task_file.tasks)} tasks"


def _remote(found: Project) -> str:
    found.require_remote()
    found.repo.git.run("ls-remote", found.repo.remote, "HEAD")
    return naming.normalize_remote(found.url)


def _consent(found: Project) -> str:
    commands = found.settings.verify_commands
    if found.configuration.sources["verify.commands"] == "repository file":
        consent.require(found.state, found.repo.root, commands)
    return f"{len(commands)} verify commands may run here"


def _published(found: Project) -> str:
    ground = spawning.survey(found)
    count = len(attempts.latest(ground.known))
    return f"{found.branch} is on the remote at {ground.base[:10]}; {count} tasks have attempts"


def _agent(found: Project) -> str:
    command = found.settings.agent_command
    if command:
        if shutil.which(command[0]) is None:
            raise UsageError(
                Code.BAD_CONFIG,
                f"agent.command is not there: {command[0]}",
                "Correct agent.command.",
            )
        return f"your own command: {' '.join(command)}"
    done = process.run(("opencode", "--version"), timeout=_VERSION_SECONDS)
    if not done.ok:
        raise UsageError(
            Code.BAD_CONFIG,
            "OpenCode is not installed, or does not start.",
            "`npm install -g opencode-ai@1.18.33`, or set agent.command.",
        )
    tried = "" if done.text.startswith(OPENCODE_TRIED) else f" (tried with {OPENCODE_TRIED})"
    return f"OpenCode {done.text}{tried}"


def _state(found: Project) -> str:
    folder = found.state
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise RunnerError(
            Code.STATE_UNWRITABLE, f"{folder}: {error.strerror}.", "Set XDG_STATE_HOME."
        ) from error
    if not os.access(folder, os.W_OK):
        raise RunnerError(
            Code.STATE_UNWRITABLE, f"{folder} cannot be written.", "Set XDG_STATE_HOME."
        )
    if free < _LEAST_BYTES:
        raise RunnerError(
            Code.DISK_FULL, f"{folder} has {free >> 20} MiB left.", "`sdlc-runner gc` frees ours."
        )
    return f"{folder}, {free >> 20} MiB free"
