"""One container of an attempt's pod: ``python -m sdlc_runner.worker.pod ROLE``."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner import process
from sdlc_runner.attempt import spec as attempt_spec
from sdlc_runner.errors import Code, ExitCode, RunnerError
from sdlc_runner.events.codec import clean
from sdlc_runner.events.types import Outcome
from sdlc_runner.worker import masking, secrets
from sdlc_runner.worker.agents import opencode_config
from sdlc_runner.worker.agents.factory import local_agent
from sdlc_runner.worker.agents.opencode_server.agent import OpenCodeServerAgent
from sdlc_runner.worker.agents.opencode_server.client import Server
from sdlc_runner.worker.attempt import Place, assemble, exit_code
from sdlc_runner.worker.git.credentials import Credentials
from sdlc_runner.worker.preflight import Preflight
from sdlc_runner.worker.shutdown import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.worker.agents.base import Agent
    from sdlc_runner.worker.attempt import AttemptRun

    MakeAgent = Callable[["PodPaths", AttemptSpec, Stop, masking.Masker], Agent]


ROOT = "SDLC_RUNNER_POD_ROOT"
PORT = "SDLC_RUNNER_AGENT_PORT"
WHERE = "SDLC_RUNNER_WHERE"
_PORT = 4096


class PodPaths(NamedTuple):
    """The mount points, below ``root``, and the agent server's port."""

    root: Path
    port: int
    where: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> PodPaths:
        """Read what the pod's environment says; in a pod the root is ``/``."""
        port = environ.get(PORT, "")
        root = Path(environ.get(ROOT) or "/")
        return cls(root, int(port) if port.isdigit() else _PORT, environ.get(WHERE, "kubernetes"))

    @property
    def workspace(self) -> Path:
        """The work tree: a mount point, so that no link can be put in its place."""
        return self.root / "workspace"

    @property
    def attempt(self) -> Path:
        """What the agent never sees: git directory, journal, home of the git side."""
        return self.root / "attempt"

    @property
    def home(self) -> Path:
        """The agent's home."""
        return self.root / "home" / "agent"

    @property
    def spec(self) -> Path:
        """The attempt's specification."""
        return self.root / "etc" / "sdlc-runner" / "spec.json"

    @property
    def termination(self) -> Path:
        """What Kubernetes keeps of the container's last words."""
        return self.root / "dev" / "termination-log"

    @property
    def git_secrets(self) -> Path:
        """Token or SSH key; mounted for the git side only."""
        return self.root / "secrets" / "git"

    @property
    def model_secrets(self) -> Path:
        """One file a variable of the agent's environment."""
        return self.root / "secrets" / "model"

    @property
    def server_secrets(self) -> Path:
        """The password of the agent's server."""
        return self.root / "secrets" / "server"

    def password(self) -> str:
        """Read the password; raises ``OSError`` if there is none."""
        return (self.server_secrets / "server-password").read_text(encoding="utf-8").strip()


LIMIT = 4096
"""Bytes that Kubernetes keeps of a termination message."""
_LENGTHS = {"status": 40, "code": 60, "message": 400, "base": 64, "head": 64, "branch": 255}
"""Characters kept of each text: together they fit, whatever alphabet they are written in."""
_TASK_LENGTHS = {"task": 60, "status": 40, "code": 60, "commit": 64, "hint": 200}


def write(path: Path, seq: int, result: Mapping[str, Any]) -> None:
    """Write the claim; raises ``OSError`` if the file cannot be written."""
    path.write_text(text(seq, result), encoding="utf-8")


def text(seq: int, result: Mapping[str, Any]) -> str:
    """Return the claim of a ``result``'s fields; ``seq`` is the number of the last event."""
    claim: dict[str, Any] = {"seq": seq, **_cut(result, _LENGTHS)}
    tasks = [_cut(task, _TASK_LENGTHS) for task in result.get("tasks", ())]
    whole = _line({**claim, "tasks": tasks})
    return whole if len(whole.encode()) <= LIMIT else _line(claim)


def _cut(record: Mapping[str, Any], lengths: Mapping[str, int]) -> dict[str, str]:
    known = {name: record.get(name) for name in lengths}
    return {name: clean(str(value), lengths[name]) for name, value in known.items() if value}


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


_BACKEND = "kubernetes"


def main(arguments: list[str]) -> int:
    """Play one role; an agent's never returns."""
    places = PodPaths.of(os.environ)
    roles = {"runner": _served, "single": _direct}
    role = arguments[0] if len(arguments) == 1 else ""
    if role != "agent" and role not in roles:
        sys.stderr.write("usage: python -m sdlc_runner.worker.pod runner|agent|single\n")
        return ExitCode.USAGE
    try:
        spec = attempt_spec.load(places.spec.read_text(encoding="utf-8"))
    except (OSError, RunnerError) as error:
        return _leave_early(places, Code.BAD_ARGUMENT, f"{places.spec}: {error}", ExitCode.USAGE)
    spec = replace(spec, backend=_BACKEND)
    try:
        return _run(places, spec, roles[role]) if role in roles else _serve(places, spec)
    except OSError as error:
        text = f"The attempt broke off: {error.strerror}: {error.filename}."
        return _leave_early(places, Code.INTERNAL, text, ExitCode.TASK_FAILED)


def _serve(places: PodPaths, spec: AttemptSpec) -> int:
    """Become the agent's server; it listens on the loopback interface only."""
    environ = opencode_config.environment(spec, places.workspace, _agent_environ(places))
    environ["OPENCODE_SERVER_PASSWORD"] = places.password()
    argv = opencode_config.serve_command(places.port)
    return process.become(argv, cwd=places.workspace, env=environ)


def _agent_environ(places: PodPaths) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    keys = secrets.environment(places.model_secrets)
    return {**kept, **keys, "HOME": str(places.home)}


def _served(places: PodPaths, spec: AttemptSpec, stop: Stop, masker: masking.Masker) -> Agent:
    server = Server(places.port, places.password(), str(places.workspace))
    return OpenCodeServerAgent(spec, places.workspace, server, stop.asked, masker, _reach(spec))


def _direct(places: PodPaths, spec: AttemptSpec, stop: Stop, masker: masking.Masker) -> Agent:
    environ = _agent_environ(places)
    return local_agent(spec, places.workspace, environ, stop.asked, masker, _reach(spec))


def _reach(spec: AttemptSpec) -> Preflight:
    return Preflight(spec.connect_seconds, os.environ)


def _run(places: PodPaths, spec: AttemptSpec, make_agent: MakeAgent) -> int:
    stop = Stop()
    stop.listen()
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    _use_own_home(places)
    run = _assemble(places, spec, stop, make_agent)
    outcome = run.run()
    run.journal.close()
    _claim(places, run.journal.seq, run.result)
    return exit_code(outcome)


def _use_own_home(places: PodPaths) -> None:
    """Give git folders of the attempt's own volume, and no settings but the image's."""
    for name, variable in (("home", "HOME"), ("tmp", "TMPDIR")):
        folder = places.attempt / name
        folder.mkdir(exist_ok=True)
        os.environ[variable] = str(folder)


def _assemble(places: PodPaths, spec: AttemptSpec, stop: Stop, make_agent: MakeAgent) -> AttemptRun:
    folders = (places.git_secrets, places.model_secrets, places.server_secrets)
    found = (*secrets.secrets_from(os.environ, ()), *secrets.in_url(spec.remote))
    masker = masking.Masker(found, secrets.SecretFiles(*folders).news)
    own = places.attempt
    place = Place(own / "events.jsonl", own / "git", places.workspace, places.where)
    agent = make_agent(places, spec, stop, masker)
    given = Credentials(places.git_secrets, spec.remote)
    # A cancellation is noted on the Job; in here it is a request to stop like any other.
    run = assemble(place, spec, agent, masker, stop, lambda: False, given, sys.stdout)

    def look_ahead() -> None:
        given.access()  # what is wrong with the credentials shows at once
        _reach(spec).require_git(spec.remote)

    run.before_clone = look_ahead
    return run


def _leave_early(places: PodPaths, code: Code, text: str, exit_: ExitCode) -> int:
    """Say why nothing was begun, where Kubernetes keeps it."""
    sys.stderr.write(f"{text}\n")
    result = {"status": Outcome.FAILED.value, "code": code.value, "message": text}
    _claim(places, 0, result)
    return exit_


def _claim(places: PodPaths, seq: int, result: Mapping[str, Any]) -> None:
    try:
        write(places.termination, seq, result)
    except OSError as error:
        sys.stderr.write(f"{places.termination}: {error.strerror}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
