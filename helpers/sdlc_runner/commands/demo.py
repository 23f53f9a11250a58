"""``demo``: runs a sample feature in a folder of its own, without a cluster or a model.

The repository, the remote, the attempts and the merges are real; only the agent is scripted.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner.commands import plan, status
from sdlc_runner.config.settings import VARIABLE_PREFIX
from sdlc_runner.demo import repository
from sdlc_runner.errors import ExitCode
from sdlc_runner.orchestrator import planning, runner
from sdlc_runner.orchestrator.project import open_project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdlc_runner.commands.call import Call
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.output.output import Output

AGENT = Path(__file__).parents[1] / "demo" / "agent.py"


@dataclass(frozen=True)
class Stage:
    """Where the demo runs: a checkout, its remote, an environment that changes nothing else."""

    folder: Path
    environ: Mapping[str, str]

    @property
    def checkout(self) -> Path:
        """The user's repository."""
        return self.folder / "todo-app"

    def open(self) -> Project:
        """Open the project, as any verb does."""
        return open_project(self.checkout, self.environ, self.folder, {})


def run(call: Call) -> ExitCode:
    """Run it; success if every task ended as expected."""
    output, keep = call.output, call.args.keep
    with _stage(call.environ, keep=keep) as stage:
        repository.create(stage.checkout, stage.folder / "remote.git")
        _say(output, "1. A spec-kit feature with SYNC and ASYNC tasks, and a bare git remote")
        output.note(f"   {stage.checkout}\n")
        output.note(_indented((stage.checkout / repository.TASKS).read_text(encoding="utf-8")))
        _say(output, "2. sdlc-runner plan: what would run, and why the rest would not")
        plan.show(stage.open(), (), output, batch=False)
        _say(output, "3. sdlc-runner run: every [ASYNC] task, wave after wave")
        runner.run(stage.open(), planning.Request(), output)
        _say(output, "4. The feature branch on the remote: merged, and ticked off in tasks.md")
        project = stage.open()
        output.note(_indented(repository.graph(project)))
        output.note(_indented(repository.tasks_on_remote(project)))
        _say(output, "5. sdlc-runner status")
        status.show(project, output)
        return _verdict(project, output, stage, keep=keep)


@contextmanager
def _stage(environ: Mapping[str, str], *, keep: bool) -> Iterator[Stage]:
    """Make the folder; it is removed afterwards unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="sdlc-runner-demo-"))
    mine = {
        f"{VARIABLE_PREFIX}AGENT_COMMAND": shlex.join((sys.executable, str(AGENT))),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    try:
        yield Stage(folder, {**environ, **mine})
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _say(output: Output, text: str) -> None:
    bold, reset = ("\x1b[1m", "\x1b[0m") if output.colour else ("", "")
    output.note(f"\n{bold}── {text}{reset}")


def _indented(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.rstrip("\n").splitlines())


def _verdict(project: Project, output: Output, stage: Stage, *, keep: bool) -> ExitCode:
    right = project.published() == repository.TICKED_AT_THE_END
    _say(output, "What you saw")
    output.note(_LESSON)
    if keep:
        output.note(f"Look around:  cd {stage.checkout} && git log --graph --oneline --all")
    output.note(_NEXT)
    if not right:
        output.note("The demo did not end as expected; see above.")
    return ExitCode.OK if right else ExitCode.TASK_FAILED


_LESSON = """\
   T002-T004 ran side by side, each in its own clone, and pushed a branch each.
   T005 changed nothing: that is a success, because its evidence is on the remote.
   T006 waited for T002 and T003, and started from their merged work.
   T008 and T007 changed the same line: T008 is not merged: retry it, or merge it by hand.
   A box was ticked only when the remote showed the work."""
_NEXT = """\

Next, in your own spec-kit repository, on a feature branch:
   sdlc-runner doctor     what is missing, and how to fix it
   sdlc-runner plan       what would run
   sdlc-runner run        run it, with OpenCode as the agent"""
