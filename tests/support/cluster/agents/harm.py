"""Uses up what its pod shares, or ends what it finds, when told: ``harm.py HOW MODEL-URL``."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

MIB = 1024**2


def wait(gate: str) -> None:
    urllib.request.urlopen(f"{sys.argv[2]}/gates/{gate}").close()  # noqa: S310 - the test's own


def kill() -> None:
    os.kill(-1, signal.SIGKILL)


def memory() -> None:
    """Take memory in many small processes: the kernel ends the largest, which is the server."""
    for _ in range(100):
        if os.fork() == 0:
            held = os.urandom(1024) * (32 * 1024)
            time.sleep(600)
            del held
        time.sleep(0.1)


BOMB = """
import os, time
nowhere = os.open(os.devnull, os.O_RDWR)
for stream in (0, 1, 2):
    os.dup2(nowhere, stream)
parent = os.getpid()
ends = time.monotonic() + 3
while os.getpid() != parent or time.monotonic() < ends:
    try:
        os.fork()
    except BlockingIOError:
        time.sleep(1)
"""


def processes() -> None:
    """Leave as many behind as there may be, unknown to the server, and say that all is done."""
    subprocess.run([sys.executable, "-c", BOMB], env={}, check=True)


def disk() -> None:
    with Path(".git/full").open("wb") as file:
        file.write(bytes(100 * MIB))
    time.sleep(600)


def nothing() -> None:
    wait("end")


Path(f"{sys.argv[1]}.txt").write_text("work so far\n")
wait("strike")
globals()[sys.argv[1]]()
