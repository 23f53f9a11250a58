"""Agents that leave tracks outside, and what a follower of them must have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.harness import Event, Rig

ONE = "- [ ] T001 [ASYNC] Write T001.txt\n"
WRITE = "pathlib.Path(f'{task}.txt').write_text(f'done by {task}\\n')\n"
_HEAD = """\
seen = sorted(str(path) for path in pathlib.Path().glob('T*.txt'))
with open(RUNS, 'a') as file:
    file.write(task + ' ' + ','.join(seen) + '\\n')
def hold():
    while not pathlib.Path(GO).exists():
        time.sleep(0.02)
"""


def agent(rig: Rig, body: str = WRITE) -> None:
    """An agent that notes that it runs and what it finds; ``hold()`` waits for ``go(rig)``."""
    rig.agent(
        f"RUNS = {str(rig.folder / 'runs')!r}\nGO = {str(rig.folder / 'go')!r}\n{_HEAD}{body}"
    )


def go(rig: Rig) -> None:
    (rig.folder / "go").touch()


def runs(rig: Rig) -> dict[str, str]:
    """Which tasks ran, in order, and what lay there when they began; none may have run twice."""
    path = rig.folder / "runs"
    lines = path.read_text().splitlines() if path.exists() else []
    tasks = [line.split(" ")[0] for line in lines]
    assert len(set(tasks)) == len(tasks), f"ran twice: {tasks}"
    return {line.split(" ")[0]: line.split(" ")[1] for line in lines}


def talked(rig: Rig, count: int = 50) -> None:
    """Run an attempt at T001 to its end that says so many lines."""
    rig.tasks(ONE)
    agent(rig, f"for n in range({count}): print('line', n, flush=True)\n{WRITE}")
    rig.run("spawn", "T001", "--follow")


def held(rig: Rig, before: str = "print('held', flush=True)") -> None:
    """Start an attempt at T001 whose agent waits for ``go(rig)``."""
    rig.tasks(ONE)
    agent(rig, f"{before}\nhold()\n{WRITE}")
    rig.run("spawn", "T001")


def seqs(events: Iterable[Event]) -> list[int]:
    return [event["seq"] for event in events if "seq" in event]


def whole(rig: Rig) -> list[int]:
    """Every ``seq`` of the first attempt at T001."""
    return list(range(1, len(rig.journal()) + 1))


def slow_git(rig: Rig, verb: str, then: str = "") -> None:
    """Put a git on PATH that attempts wait at, at one verb, while the file ``slow`` is there."""
    real = rig.git("--exec-path")
    folder = rig.folder / "bin"
    folder.mkdir()
    (rig.folder / "slow").touch()
    wait = f"  while [ -e {rig.folder}/slow ]; do sleep 0.05; done\n"
    script = folder / "git"
    script.write_text(
        f'#!/bin/sh\ncase "$PWD $* " in */attempts/*" {verb} "*)\n'
        f"  printf x >> {rig.folder}/reached\n{then or wait};; esac\n"
        f'exec {real}/git "$@"\n'
    )
    script.chmod(0o755)
    rig.env["PATH"] = f"{folder}:{rig.env['PATH']}"
