"""500,000 lines of one pod followed as they are written, against `kubectl logs -f`.

The follower is attached before the first line. Measured is the time from the first line's arrival
in its output to the last one's; both followers write to a pipe that is read by the same loop.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import statistics
from typing import TYPE_CHECKING

from bench import figures, on_cluster, speakers

if TYPE_CHECKING:
    import subprocess

    from support.cluster.harness import ClusterHarness

_LINES = 500_000
_ROUNDS = 6
_PROMISE = 1.15
_TEXT = "line %07d of a build that says what it does, with some words to be as long as lines are"
_PLAIN = f"""
for number in range({_LINES}):
    out.write(b"{_TEXT}\\n" % number)
"""
_EVENTS = f"""
for number in range({_LINES}):
    event(number + 1, b"{_TEXT}" % number)
"""
_NUMBER = re.compile(rb"line (\d{7}) of a build")


def measure() -> bool:
    """Measure; whether the promise was kept."""
    if not on_cluster.is_there():
        return True
    plain = _compare("plain lines", _PLAIN)
    return _compare("events", _EVENTS) and plain


def _compare(what: str, script: str) -> bool:
    numbers = itertools.count(1)
    with on_cluster.rigged() as made:
        count = 2 * _ROUNDS + 2
        tasks = [f"- [ ] T{n:03} [P] [ASYNC] Write T{n:03}.txt" for n in range(1, count + 1)]
        made.tasks("\n".join(["## Phase 1: Setup", *tasks]) + "\n")
        speakers.template(made, speakers.gated(script))
        ours, theirs = figures.interleaved(
            lambda: _seconds(made, f"T{next(numbers):03}", ours=True),
            lambda: _seconds(made, f"T{next(numbers):03}", ours=False),
            _ROUNDS,
        )
    figures.show("follow", {f"{what}: follow": ours, f"{what}: kubectl logs -f": theirs}, "s")
    ratio = statistics.median(ours) / statistics.median(theirs)
    rate = _LINES / statistics.median(ours)
    said = f"{what}: {ratio:.2f} times kubectl, at most {_PROMISE}; {rate:.0f} lines a second"
    return figures.verdict("follow", said, kept=ratio <= _PROMISE)


def _seconds(made: ClusterHarness, task: str, *, ours: bool) -> float:
    pod = speakers.spawn(made, [task])[task]
    child = speakers.follow(made, task) if ours else speakers.kubectl_logs(made, pod)
    try:
        return _flood(made, pod, child)
    finally:
        child.terminate()
        _, _, used = os.wait4(child.pid, 0)
        child.returncode = 0
        who = "follow" if ours else "kubectl"
        print(f"follow   {who}: {used.ru_utime + used.ru_stime:.2f} s of CPU", flush=True)
        made.namespace.kubectl.run("delete", "pod", pod, "--wait=false")


def _flood(made: ClusterHarness, pod: str, child: subprocess.Popen[bytes]) -> float:
    with child.stdout or contextlib.nullcontext() as output:
        assert output is not None
        speakers.read_until(output, lambda piece: speakers.READY in piece)
        speakers.open_gate(made, pod)
        last = f"line {_LINES - 1:07} of".encode()
        first, end, whole = speakers.read_until(output, lambda piece: last in piece)
    numbers = [int(number) for number in _NUMBER.findall(whole)]
    assert numbers == list(range(_LINES)), "lines were lost or doubled"
    return end - first
