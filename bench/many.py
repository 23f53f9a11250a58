"""Twenty local attempts at once: none fails, and following all of them stays small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import figures
from support import harness

_ATTEMPTS = 20
_PROMISE_MB = 60


def measure() -> bool:
    """Measure; whether the promise was kept."""
    with tempfile.TemporaryDirectory() as folder:
        made = harness.create(Path(folder))
        tasks = [f"- [ ] T{n:03} [P] [ASYNC] Write T{n:03}.txt" for n in range(1, _ATTEMPTS + 1)]
        made.tasks("\n".join(["## Phase 1: Setup", *tasks]) + "\n")
        made.agent(
            "for number in range(40):\n"
            "    print('line', number, flush=True)\n"
            "    time.sleep(0.1)\n"
            "pathlib.Path(f'{task}.txt').write_text('done')\n"
        )
        ids = [f"T{n:03}" for n in range(1, _ATTEMPTS + 1)]
        began = time.perf_counter()
        assert made.run("spawn", *ids).code == 0
        spawned = time.perf_counter() - began
        peak, outcomes = _follow(made)
        seconds = time.perf_counter() - began
    good = outcomes.count("succeeded")
    figures.show("many", {"spawn of 20": [spawned], "20 attempts, start to end": [seconds]}, "s")
    text = f"{good} of {_ATTEMPTS} succeeded; follow used {peak:.1f} MB, under {_PROMISE_MB}"
    return figures.verdict("many", text, kept=good == _ATTEMPTS and peak < _PROMISE_MB)


def _follow(made: harness.Harness) -> tuple[float, list[str]]:
    """Follow all; return the peak memory of the follower itself, and the outcomes."""
    follower = subprocess.Popen(
        [sys.executable, "-m", "sdlc_runner", "follow"],
        cwd=made.checkout,
        env=made.env,
        stdout=subprocess.PIPE,
    )
    assert follower.stdout is not None
    with follower.stdout:
        events = [json.loads(line) for line in follower.stdout]
    _, _, used = os.wait4(follower.pid, 0)
    follower.returncode = 0
    outcomes = [event["outcome"] for event in events if event["type"] == "outcome"]
    return used.ru_maxrss / 1024, outcomes
