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

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Sequence

    from cluster.kubectl import Kubectl

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
