"""The processes of a container, where the node is this machine: what only its kernel can kill."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.cluster import kit

if TYPE_CHECKING:
    from support.cluster.kubectl import Manifest


def require_node_here() -> None:
    """Skip the test on a cluster whose nodes are other machines."""
    if kit.find() is None:
        pytest.skip(f"the node is another machine: {kit.VARIABLE} is not set")


def main_process(pod: Manifest) -> int:
    """Return the process id of the runner's first process."""
    status = pod["status"]["containerStatuses"][0]
    container = status["containerID"].rpartition("//")[2]
    everyone = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    inside = [pid for pid in everyone if container in _read(pid, "cgroup")]
    (first,) = (
        pid for pid in inside if re.search(r"^NSpid:.*\t1$", _read(pid, "status"), re.MULTILINE)
    )
    return first


def shim_of(pid: int) -> int:
    """Return the container's shim, its first process's parent."""
    parent = _parent(pid)
    assert "containerd-shim" in _read(parent, "cmdline")
    return parent


def _parent(pid: int) -> int:
    return int(_read(pid, "stat").rpartition(")")[2].split()[1])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""
