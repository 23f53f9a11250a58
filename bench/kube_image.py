"""The image that scripts/image built: its size, and how soon a container of it speaks."""

from __future__ import annotations

import json
import tarfile
import zlib
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bench import figures, on_cluster
from support.cluster.pod_template import Form
from support.cluster.waiting import wait_for
from support.model.server import Rule, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cluster.harness import ClusterHarness

_ROUNDS = 6
_ARCHIVE = Path(__file__).parents[1] / ".cache" / "image" / "agent.tar"
_PIECE = 1 << 20
# Epoch seconds at which the container's first process began; the kernel counts in hundredths.
_BEGAN = """\
import time
ticks = float(open('/proc/1/stat').read().rpartition(')')[2].split()[19])
print(time.time() - float(open('/proc/uptime').read().split()[0]) + ticks / 100)
"""


def measure() -> bool:
    """Measure; nothing is promised."""
    if not on_cluster.is_there():
        return True
    _show_size()
    with on_cluster.rigged(Form.TWO) as made:
        made.use_opencode()
        ids = [f"T{number:03}" for number in range(1, _ROUNDS + 1)]
        tasks = [f"- [ ] {task} [P] [ASYNC] Write {task}.txt" for task in ids]
        made.tasks("\n".join(["## Phase 1: Setup", *tasks]) + "\n")
        made.model.rules(Rule("", (Turn("done", delay=60),)))
        measured = [_first_event(made, task) for task in ids]
    figures.show("image", {"start of the runner to its first event": measured}, "s")
    return True


def _show_size() -> None:
    with tarfile.open(_ARCHIVE) as archive:
        (manifest,) = json.loads(_file(archive, "manifest.json").read())
        layers = [_sizes(_file(archive, name)) for name in manifest["Layers"]]
    unpacked, packed = (sum(sizes) / 1e6 for sizes in zip(*layers, strict=True))
    print(f"image    {unpacked:.0f} MB in {len(layers)} layers; {packed:.0f} MB to pull (gzip -6)")


def _file(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    assert found
    return found


def _sizes(layer: IO[bytes]) -> tuple[int, int]:
    packing, unpacked, packed = zlib.compressobj(6), 0, 0
    for piece in _pieces(layer):
        unpacked += len(piece)
        packed += len(packing.compress(piece))
    return unpacked, packed + len(packing.flush())


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _first_event(made: ClusterHarness, task: str) -> float:
    made.run("spawn", task)
    (job,) = made.namespace.jobs(f"sdlc-runner/task={task.lower()}")
    (pod,) = wait_for(lambda: made.namespace.pods(f"job-name={job['metadata']['name']}"))
    name = pod["metadata"]["name"]
    line = wait_for(lambda: made.namespace.log(name).partition("\n")[0])
    began = made.namespace.kubectl.run("exec", name, "--", "python3", "-c", _BEGAN)
    made.run("cancel", task)
    return datetime.fromisoformat(json.loads(line)["time"]).timestamp() - float(began)
