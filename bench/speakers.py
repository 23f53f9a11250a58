"""Attempts whose runner only speaks: lines or events, as many as wanted, once it is asked to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING

from support.cluster import image_override
from support.cluster.pod_template import Form, pod_template
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cluster.harness import ClusterHarness

READY = b"ready to speak"
_GATE = "/tmp/go"  # noqa: S108 - in the pod
_PROGRAM = """\
import json, os, sys, time
spec = json.load(open("/etc/sdlc-runner/spec.json"))
key = json.dumps(spec["key"]["feature"]), json.dumps(spec["key"]["task"]), spec["key"]["number"]
out = os.fdopen(1, "wb", 1 << 16)
named = b',"feature":%s,"task":%s,"attempt":%d,' % (key[0].encode(), key[1].encode(), key[2])
def event(seq, text, type_=b"log"):
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%03dZ" % (now % 1 * 1000)
    out.write(b'{"v":1,"seq":%d,"time":"%s"%s"type":"%s","text":"%s","stream":"stdout"}\\n'
              % (seq, stamp.encode(), named, type_, text))
"""
_WAIT = f"""
while not os.path.exists({_GATE!r}):
    time.sleep(0.02)
"""


def template(made: ClusterHarness, script: str) -> None:
    """Have the attempts of a namespace run a script in place of the worker.

    ``event(seq, text)`` writes one event of theirs to the buffered file ``out``.
    """
    found = pod_template(Form.ONE)
    pod = found["template"]["spec"]
    (runner,) = pod["containers"]
    image_override.put(pod, runner, "speaker")
    runner["resources"] = {"requests": {"cpu": "1m", "memory": "8Mi"}}
    pod["terminationGracePeriodSeconds"] = 1
    program = image_override.program("speaker", f"#!/usr/bin/python3\n{_PROGRAM}{script}")
    made.namespace.kubectl.apply(program, found)


def gated(script: str) -> str:
    """Return a script that says that it is ready, and goes on when its gate is opened."""
    ready = f'out.write(b"{READY.decode()}\\n")\nout.flush()'
    return f"{ready}\n{_WAIT}\n{script}\nout.flush()\ntime.sleep(900)\n"


def spawn(made: ClusterHarness, tasks: list[str]) -> dict[str, str]:
    """Start attempts; return the names of their pods once all run."""
    argv = [sys.executable, "-m", "sdlc_runner", "spawn", *tasks]
    subprocess.run(argv, cwd=made.checkout, env=made.env, check=True, capture_output=True)
    return wait_for(lambda: _running(made, tasks), 180, f"{len(tasks)} running pods", every=0.5)


def _running(made: ClusterHarness, tasks: list[str]) -> dict[str, str]:
    pods = [pod for pod in made.namespace.pods() if pod["status"]["phase"] == "Running"]
    found = {pod["metadata"]["labels"]["sdlc-runner/task"]: pod for pod in pods}
    names = {
        task: str(found[task.lower()]["metadata"]["name"])
        for task in tasks
        if task.lower() in found
    }
    return names if len(names) == len(tasks) else {}


def open_gate(made: ClusterHarness, pod: str) -> None:
    made.namespace.kubectl.run("exec", pod, "--", "touch", _GATE)


def follow(made: ClusterHarness, *tasks: str) -> subprocess.Popen[bytes]:
    """Start our follower, its events on a pipe."""
    argv = [sys.executable, "-m", "sdlc_runner", "follow", *tasks]
    return piped(argv, made)


def kubectl_logs(made: ClusterHarness, pod: str) -> subprocess.Popen[bytes]:
    """Start kubectl's follower, its lines on a pipe."""
    return piped([*made.namespace.kubectl.argv, "logs", "--follow", pod], made)


def piped(argv: list[str], made: ClusterHarness) -> subprocess.Popen[bytes]:
    """Start a program, its output on a pipe."""
    return subprocess.Popen(argv, cwd=made.checkout, env=made.env, stdout=subprocess.PIPE)


def read_until(file: IO[bytes], is_last: Callable[[bytes], bool]) -> tuple[float, float, bytes]:
    """Read until a piece holds the end; return when the first and the last piece came, and all."""
    pieces: list[bytes] = []
    first = 0.0
    while True:
        piece = os.read(file.fileno(), 1 << 20)
        first = first or time.perf_counter()
        assert piece, "the follower ended"
        pieces.append(piece)
        if is_last(b"".join(pieces[-2:])):
            return first, time.perf_counter(), b"".join(pieces)
