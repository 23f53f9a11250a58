"""``python -m sdlc_runner.worker FOLDER``: one attempt, in a folder that holds ``spec.json``.

The folder gets ``events.jsonl`` (the journal), ``git`` and ``work`` (the clone), and at the very
end ``exit.json``. Exit: 0 a good claim, 1 a bad one, 143 asked to stop, 2 no specification.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner import files
from sdlc_runner.attempt import spec as attempt_spec
from sdlc_runner.errors import ExitCode, RunnerError
from sdlc_runner.worker import masking, secrets
from sdlc_runner.worker.agents.factory import local_agent
from sdlc_runner.worker.attempt import Place, assemble, exit_code
from sdlc_runner.worker.git.credentials import NONE
from sdlc_runner.worker.shutdown import Stop

if TYPE_CHECKING:
    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.events.types import Outcome

CANCEL_FILE = "cancel"
EXIT_FILE = "exit.json"
PID_FILE = "pid"


def main(folder: Path, where: str) -> int:
    """Run the attempt that the folder's ``spec.json`` names."""
    stop = Stop()
    stop.listen()
    try:
        (folder / PID_FILE).write_text(str(os.getpid()))
        spec = attempt_spec.load((folder / "spec.json").read_text(encoding="utf-8"))
    except (OSError, RunnerError) as error:
        sys.stderr.write(f"{folder / 'spec.json'}: {error}\n")
        return ExitCode.USAGE
    try:
        outcome = _run(folder, where, spec, stop)
        return _leave(folder, outcome)
    except OSError as error:
        sys.stderr.write(f"The attempt broke off: {folder}: {error.strerror}.\n")
        return ExitCode.TASK_FAILED


def _run(folder: Path, where: str, spec: AttemptSpec, stop: Stop) -> Outcome:
    found = (
        *secrets.secrets_from(os.environ, ()),
        *secrets.of_user(os.environ),
        *secrets.in_url(spec.remote),
    )
    masker = masking.Masker(found)
    work = folder / "work"
    place = Place(folder / "events.jsonl", folder / "git", work, where)
    agent = local_agent(spec, work, os.environ, stop.asked, masker)
    cancelled = (folder / CANCEL_FILE).exists
    run = assemble(place, spec, agent, masker, stop, cancelled, NONE)
    outcome = run.run()
    run.journal.close()
    return outcome


def _leave(folder: Path, outcome: Outcome) -> int:
    code = exit_code(outcome)
    files.write(folder / EXIT_FILE, json.dumps({"exit": code, "status": outcome.value}))
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
