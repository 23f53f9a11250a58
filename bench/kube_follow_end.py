"""From the API's word that the runner has terminated to the verified outcome in the output.

A watch of its own takes the time at which the API server says so; its delivery is part of both.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from typing import TYPE_CHECKING

from bench import figures, on_cluster, speakers

if TYPE_CHECKING:
    import subprocess

    from support.cluster.harness import ClusterHarness

_ROUNDS = 12
_PROMISE = 0.3
_MOST = 1.0


def measure() -> bool:
    """Measure; whether the promise was kept."""
    if not on_cluster.is_there():
        return True
    ids = [f"T{number:03}" for number in range(1, _ROUNDS + 1)]
    with on_cluster.rigged() as made:
        tasks = [f"- [ ] {task} [P] [ASYNC] Write {task}.txt" for task in ids]
        made.tasks("\n".join(["## Phase 1: Setup", *tasks]) + "\n")
        made.agent("hold(task)\npathlib.Path(f'{task}.txt').write_text('done')")
        delays = [_delay(made, task) for task in ids]
    figures.show("end", {"terminated in the API to the outcome": delays}, "s")
    median, most = statistics.median(delays), max(delays)
    said = f"median {median:.3f} s, under {_PROMISE}; longest {most:.3f} s, under {_MOST}"
    return figures.verdict("end", said, kept=median < _PROMISE and most < _MOST)


def _delay(made: ClusterHarness, task: str) -> float:
    speakers.spawn(made, [task])
    child = speakers.follow(made, task)
    reported: list[float] = []
    reader = threading.Thread(target=_read, args=(child, reported))
    reader.start()
    terminated = _Terminated(made, task)
    made.model.open(task)
    reader.join(60)
    terminated.join(60)
    child.wait()
    return reported[0] - terminated.at


def _read(child: subprocess.Popen[bytes], reported: list[float]) -> None:
    assert child.stdout is not None
    with child.stdout as output:
        for line in output:
            event = json.loads(line)
            if event["type"] == "outcome":
                assert event["outcome"] == "succeeded"
                reported.append(time.perf_counter())


class _Terminated(threading.Thread):
    """Watches a task's pod; ``at`` is when its runner was said to have terminated."""

    def __init__(self, made: ClusterHarness, task: str) -> None:
        super().__init__()
        selector = f"--selector=sdlc-runner/task={task.lower()}"
        argv = [*made.namespace.kubectl.argv, "get", "pods", selector, "--watch"]
        self._child = speakers.piped([*argv, "--output=json"], made)
        self.at = 0.0
        assert self._child.stdout is not None
        self._child.stdout.readline()
        self.start()

    def run(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as output:
            for line in output:
                if b'"terminated": {' in line:
                    self.at = time.perf_counter()
                    self._child.terminate()
                    break
        self._child.wait()
