"""100,000 events followed: at least 30,000 a second, none lost, none doubled."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import figures
from support import harness

_EVENTS = 100_000
_PROMISE = 30_000


def measure() -> bool:
    """Measure; whether the promise was kept."""
    with tempfile.TemporaryDirectory() as folder:
        made = harness.create(Path(folder))
        made.tasks("## Phase 1: Setup\n- [ ] T001 [ASYNC] Talk\n")
        made.run("spawn", "T001", "--follow")
        _fill(made)
        rates = [_rate(made) for _ in range(5)]
    figures.show("follow", {"events a second, whole process": [rate for rate, _ in rates]}, "/s")
    exact = all(seqs == list(range(1, _EVENTS + 1)) for _, seqs in rates)
    best = sorted(rate for rate, _ in rates)[len(rates) // 2]
    text = f"{best:.0f} a second, at least {_PROMISE}; none lost, none doubled: {exact}"
    return figures.verdict("follow", text, kept=exact and best >= _PROMISE)


def _fill(made: harness.Harness) -> None:
    """Make the ended attempt's journal 100,000 events long."""
    path = made.attempt() / "events.jsonl"
    (*_, last) = made.journal()
    log = {**made.journal()[0], "type": "log", "stream": "stdout"}
    del log["phase"]
    with path.open("w") as file:
        for seq in range(1, _EVENTS):
            record = {**log, "seq": seq, "text": f"line {seq} of a build that says what it does"}
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
        file.write(json.dumps({**last, "seq": _EVENTS}, separators=(",", ":")) + "\n")


def _rate(made: harness.Harness) -> tuple[float, list[int]]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "sdlc_runner", "follow", "T001"],
        cwd=made.checkout,
        env=made.env,
        check=True,
        capture_output=True,
    )
    seconds = time.perf_counter() - began
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return _EVENTS / seconds, [record["seq"] for record in records if "seq" in record]
