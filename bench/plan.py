"""``plan`` on 200 tasks with a configuration file: at most eight times ``python -c pass``."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from bench import figures
from support import harness

_TASKS = 200
_ROUNDS = 15
_PROMISE = 8


def measure() -> bool:
    """Measure; whether the promise was kept."""
    with tempfile.TemporaryDirectory() as folder:
        made = harness.create(Path(folder))
        lines = ["## Phase 1: Setup"]
        for number in range(1, _TASKS + 1):
            if number % 50 == 0:
                lines.append(f"## Phase {number // 50 + 1}: User Story {number // 50}")
            mode = "SYNC" if number % 5 == 0 else "ASYNC"
            after = f" (depends on T{number - 3:03})" if number % 7 == 0 else ""
            lines.append(
                f"- [ ] T{number:03} [P] [{mode}] Write `src/part_{number % 60}.py`{after}"
            )
        made.write(".opencode/sdlc-runner.jsonc", '{"max_parallel": 3, "clone": {"depth": 1}}\n')
        made.tasks("\n".join(lines) + "\n")
        ours, theirs = figures.interleaved(
            lambda: figures.wall(
                [sys.executable, "-m", "sdlc_runner", "plan"], made.checkout, made.env
            ),
            lambda: figures.wall([sys.executable, "-c", "pass"], made.checkout, made.env),
            _ROUNDS,
        )
    ratio = statistics.median(ours) / statistics.median(theirs)
    figures.show("plan", {"plan of 200 tasks": ours, "python -c pass": theirs}, "s")
    return figures.verdict("plan", f"{ratio:.1f} times, at most {_PROMISE}", kept=ratio <= _PROMISE)
