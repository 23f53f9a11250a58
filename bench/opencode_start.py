"""OpenCode's start-up with the bundle: at most 0.3 s slower than without."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench import figures
from support import harness
from support.model.server import ModelServer, Rule, says
from support.opencode import program as opencode_program

if TYPE_CHECKING:
    from support.harness import Harness

_ROUNDS = 10
_PROMISE = 0.3
_ASKED = ("opencode", "run", "--title", "start", "Say hello")


def measure() -> bool:
    """Measure from the start to the end of one answer; whether the promise was kept."""
    program = opencode_program.find()
    if program is None:
        raise SystemExit("no OpenCode: `scripts/setup --opencode`, or put opencode on PATH")
    with (
        tempfile.TemporaryDirectory() as folder,
        ModelServer([Rule("Say hello", (says("Hello."),))]) as model,
    ):
        made = [_repository(Path(folder) / name, program, model) for name in ("with", "without")]
        assert made[0].run("install").code == 0
        made[0].commit("Have agents do what is marked [ASYNC]")
        ours, theirs = figures.interleaved(
            lambda: _start(made[0]), lambda: _start(made[1]), _ROUNDS
        )
    shown = {"with the bundle": ours, "without": theirs}
    figures.show("opencode-start", shown, "s")
    more = statistics.median(ours) - statistics.median(theirs)
    return figures.verdict(
        "opencode-start", f"{more:.3f} s more, at most {_PROMISE}", kept=more <= _PROMISE
    )


def _repository(folder: Path, program: Path, model: ModelServer) -> Harness:
    folder.mkdir()
    made = harness.create(folder)
    (folder / "bin").mkdir()
    (folder / "bin/opencode").symlink_to(program)
    made.env["PATH"] = f"{folder / 'bin'}:{made.env['PATH']}"
    made.env |= {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
    made.env = model.environment(made.env)
    return made


def _start(made: Harness) -> float:
    return figures.wall(_ASKED, made.checkout, made.env)
