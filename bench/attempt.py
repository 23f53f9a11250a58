"""One attempt with an instant agent, against the same clone, commit and push by plain git."""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
from pathlib import Path

from bench import figures
from support import harness

_ROUNDS = 10
_PROMISE = 0.5
_PLAIN = """
set -e
git clone --quiet --depth 1 --branch {feature} file://{remote} {clone}
cd {clone}
git switch --quiet -c plain-{number}
echo done > {task}.txt
git add --all
git commit --quiet -m work
git push --quiet origin plain-{number}
"""


def measure() -> bool:
    """Measure; whether the promise was kept."""
    numbers = itertools.count(1)
    with tempfile.TemporaryDirectory() as folder:
        made = harness.create(Path(folder))
        tasks = [f"- [ ] T{n:03} [P] [ASYNC] Write T{n:03}.txt" for n in range(1, _ROUNDS + 3)]
        made.tasks("\n".join(["## Phase 1: Setup", *tasks]) + "\n")
        made.env["SDLC_RUNNER_AGENT_COMMAND"] = "sh -c 'cat >/dev/null; echo done > work.txt'"

        def ours() -> float:
            task = f"T{next(numbers):03}"
            argv = [sys.executable, "-m", "sdlc_runner", "spawn", task, "--follow"]
            return figures.wall(argv, made.checkout, made.env)

        plain = itertools.count(1)

        def theirs() -> float:
            number = next(plain)
            script = _PLAIN.format(
                feature=harness.FEATURE,
                remote=made.remote,
                clone=Path(folder) / f"plain-{number}",
                number=number,
                task=f"P{number}",
            )
            return figures.wall(["sh", "-c", script], made.folder, made.env)

        mine, plain_git = figures.interleaved(ours, theirs, _ROUNDS)
    more = statistics.median(mine) - statistics.median(plain_git)
    figures.show("attempt", {"spawn --follow": mine, "clone + commit + push": plain_git}, "s")
    return figures.verdict(
        "attempt", f"{more:.3f} s more, at most {_PROMISE}", kept=more <= _PROMISE
    )
