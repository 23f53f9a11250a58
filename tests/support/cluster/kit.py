"""The test cluster's own program: faults, and its network.

``SDLC_CLUSTER_KIT`` names it; clusters of other makers have none.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from sdlc_runner import process
from support.cluster import locks
from support.cluster.kubectl import Kubectl, config_file

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Sequence

VARIABLE = "SDLC_CLUSTER_KIT"
_SECONDS = 120


@dataclass(frozen=True)
class Kit:
    """The program."""

    program: str

    def run(self, *args: str) -> str:
        done = process.run([self.program, *args], timeout=_SECONDS)
        assert done.ok, f"{self.program} {' '.join(args)}: {done.text} {done.error_text}"
        return done.text

    def ensure_up(self, shared: Path) -> None:
        """Start what has ended; alone, for ``up`` writes the kubeconfig that others read."""
        with locks.undisturbed(shared):
            if process.run([self.program, "status"], timeout=_SECONDS).ok:
                return
        with locks.alone(shared):
            self.run("up")

    def start_in_network(
        self, argv: Sequence[str], descriptors: Iterable[int]
    ) -> subprocess.Popen[bytes]:
        """Start a program in the cluster's network, with a pipe as its standard input."""
        return process.start(
            [self.program, "ns", *argv],
            cwd=Path.cwd(),
            env=os.environ,
            stdin=process.PIPE,
            stdout=process.DEVNULL,
            stderr=process.DEVNULL,
            pass_fds=tuple(descriptors),
        )


def find() -> Kit | None:
    program = os.environ.get(VARIABLE)
    return Kit(program) if program else None


def lacking(sentence: str) -> NoReturn:
    """Skip a test for want of something that the test cluster has; in its CI, fail."""
    if os.environ.get("CI") and find():
        pytest.fail(sentence)
    pytest.skip(sentence)


def need_cluster() -> Kubectl:
    """Return the cluster that KUBECONFIG names; skip, or in CI fail, unless it answers."""
    config = config_file()
    if not config.is_file():
        lacking(f"no cluster: there is no kubeconfig at {config}")
    found = Kubectl(str(config))
    with locks.undisturbed(locks.folder(found.server())):
        answer = found.try_run("get", "--raw=/readyz", "--request-timeout=10s")
    if not answer.ok:
        lacking(f"no cluster: it does not answer: {answer.error_text}")
    return found


def need_images(kubectl: Kubectl, *images: str) -> None:
    """Skip, or in CI fail, unless a node has these images."""
    nodes = json.dumps(kubectl.get("nodes"))
    for image in images:
        if image not in nodes:
            lacking(f"no node has {image}; scripts/setup --cluster gives it to the test cluster")


@dataclass
class Faults:
    """Makes faults, and undoes them all."""

    kit: Kit
    made: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, kind: str, component: str = "") -> None:
        """Do as ``cluster fault`` does: kill9, stop, start, pause, cont, partition, heal."""
        args = (kind, component) if component else (kind,)
        self.made.append(args)
        self.kit.run("fault", *args)

    def undo(self) -> None:
        """Have everything run again, and wait until the node is ready."""
        if not self.made:
            return
        for args in self.made:
            match args:
                case ("pause", component):
                    self.kit.run("fault", "cont", component)
                case ("partition",):
                    self.kit.run("fault", "heal")
                case _:
                    pass
        self.made.clear()
        self.kit.run("up")
