"""Locks that hold between the test processes of one machine, for one cluster."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


FAULTS = "faults"
"""The lock that everybody who uses the cluster shares, and who makes faults has alone."""


def folder(cluster: str) -> Path:
    """Return the folder of what the processes share about a cluster (an address)."""
    digest = hashlib.sha256(cluster.encode()).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"sdlc-test-{os.getuid()}-{digest}"
    path.mkdir(exist_ok=True, mode=0o700)
    return path


@contextlib.contextmanager
def held(path: Path, *, shared: bool = False) -> Iterator[IO[bytes]]:
    """Hold a lock; ``shared``: with all others that share it."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield file


@contextlib.contextmanager
def fair(path: Path, *, shared: bool) -> Iterator[None]:
    """Hold a lock for which those who want it alone need not wait for ever."""
    with contextlib.ExitStack() as stack:
        with held(path.with_suffix(".turn")):
            stack.enter_context(held(path, shared=shared))
        yield


def undisturbed(shared_folder: Path) -> contextlib.AbstractContextManager[None]:
    """Use the cluster while nobody makes faults; not to be nested, or it waits for itself."""
    return fair(shared_folder / FAULTS, shared=True)


def alone(shared_folder: Path) -> contextlib.AbstractContextManager[None]:
    """Have the cluster while nobody else uses it."""
    return fair(shared_folder / FAULTS, shared=False)


def is_free(path: Path) -> bool:
    """Whether nobody holds a lock."""
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
