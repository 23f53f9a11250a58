"""100 pods followed at once: memory against 100 `kubectl logs -f`, and how late an event comes.

Each pod writes two events a second, with the time in it. The lag of an event is the time at which
this program reads it from the follower's output less that time: both by this machine's clock, which
is the pods' too where the node is this machine. Memory is the proportional set size (PSS) of all
processes of a side, so that what they share is counted once.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import figures, on_cluster, speakers

if TYPE_CHECKING:
    import subprocess

    from support.cluster.harness import ClusterHarness

_PODS = 100
_SECONDS = 20.0
_SETTLED = 10.0
_SHARE = 0.1
_LAG = 1.0
_SPEAK = """
seq = 0
while True:
    seq += 1
    event(seq, b"at %.6f" % time.time())
    out.flush()
    time.sleep(0.5)
"""
_AT = re.compile(rb'"text":"at ([0-9.]+)"')


def measure() -> bool:
    """Measure; whether the promise was kept."""
    if not on_cluster.is_there():
        return True
    ids = [f"T{number:03}" for number in range(1, _PODS + 1)]
    with on_cluster.rigged() as made:
        tasks = [f"- [ ] {task} [P] [ASYNC] Write {task}.txt" for task in ids]
        made.tasks("\n".join(["## Phase 1: Setup", *tasks]) + "\n")
        speakers.template(made, _SPEAK)
        pods = speakers.spawn(made, ids)
        ours, lags = _ours(made)
        theirs = _theirs(made, list(pods.values()))
    lags.sort()
    p99 = lags[len(lags) * 99 // 100]
    figures.show("follow", {"lag of an event, 100 pods": lags}, "s")
    figures.show(
        "follow", {"follow, 100 pods": [ours], "100 times kubectl logs -f": [theirs]}, "MB"
    )
    said = f"{ours / theirs:.3f} of kubectl's memory, at most {_SHARE}"
    memory = figures.verdict("follow", said, kept=ours <= _SHARE * theirs)
    said = f"lag p99 {p99:.3f} s of {len(lags)} events, under {_LAG}"
    return figures.verdict("follow", said, kept=p99 < _LAG) and memory


def _ours(made: ClusterHarness) -> tuple[float, list[float]]:
    """Return the follower's memory in MB, and the lags once it has settled."""
    child = speakers.follow(made)
    lags: list[float] = []
    assert child.stdout is not None
    try:
        began, rest = time.time(), b""
        while time.time() - began < _SETTLED + _SECONDS:
            piece = rest + os.read(child.stdout.fileno(), 1 << 16)
            now = time.time()
            assert piece, "the follower ended"
            rest = piece[piece.rfind(b"\n") + 1 :]
            times = map(float, _AT.findall(piece[: len(piece) - len(rest)]))
            lags += [now - at for at in times if at > began + _SETTLED]
        return _memory([child]), lags
    finally:
        child.terminate()
        child.communicate()


def _theirs(made: ClusterHarness, pods: list[str]) -> float:
    """Return the memory in MB of one kubectl for each pod."""
    children = [speakers.kubectl_logs(made, pod) for pod in pods]
    try:
        for child in children:
            assert child.stdout is not None
            os.read(child.stdout.fileno(), 1)
        time.sleep(1)
        return _memory(children)
    finally:
        for child in children:
            child.terminate()
            child.communicate()


def _memory(children: list[subprocess.Popen[bytes]]) -> float:
    texts = [Path(f"/proc/{child.pid}/smaps_rollup").read_text() for child in children]
    found = [re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE) for text in texts]
    return sum(int(match[1]) for match in found if match) / 1024
