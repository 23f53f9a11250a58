"""Agents that leave tracks outside, and what a follower of them must have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.harness import Event, Harness

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


def agent(harness: Harness, body: str = WRITE) -> None:
    """An agent that notes that it runs and what it finds; ``hold()`` waits for ``go(rig)``."""
    harness.agent(
        f"RUNS = {str(harness.folder / 'runs')!r}\n"
        f"GO = {str(harness.folder / 'go')!r}\n{_HEAD}{body}"
    )


def go(harness: Harness) -> None:
    (harness.folder / "go").touch()


def runs(harness: Harness) -> dict[str, str]:
    """Which tasks ran, in order, and what lay there when they began; none may have run twice."""
    path = harness.folder / "runs"
    lines = path.read_text().splitlines() if path.exists() else []
    tasks = [line.split(" ")[0] for line in lines]
    assert len(set(tasks)) == len(tasks), f"ran twice: {tasks}"
    return {line.split(" ")[0]: line.split(" ")[1] for line in lines}


def talked(harness: Harness, count: int = 50) -> None:
    """Run an attempt at T001 to its end that says so many lines."""
    harness.tasks(ONE)
    agent(harness, f"for n in range({count}): print('line', n, flush=True)\n{WRITE}")
    harness.run("spawn", "T001", "--follow")


def held(harness: Harness, before: str = "print('held', flush=True)") -> None:
    """Start an attempt at T001 whose agent waits for ``go(rig)``."""
    harness.tasks(ONE)
    agent(harness, f"{before}\nhold()\n{WRITE}")
    harness.run("spawn", "T001")


def seqs(events: Iterable[Event]) -> list[int]:
    return [event["seq"] for event in events if "seq" in event]


def whole(harness: Harness) -> list[int]:
    """Every ``seq`` of the first attempt at T001."""
    return list(range(1, len(harness.journal()) + 1))


def slow_git(harness: Harness, verb: str, then: str = "") -> None:
    """Put a git on PATH that attempts wait at, at one verb, while the file ``slow`` is there."""
    real = harness.git("--exec-path")
    folder = harness.folder / "bin"
    folder.mkdir()
    (harness.folder / "slow").touch()
    wait = f"  while [ -e {harness.folder}/slow ]; do sleep 0.05; done\n"
    script = folder / "git"
    script.write_text(
        f'#!/bin/sh\ncase "$PWD $* " in */attempts/*" {verb} "*)\n'
        f"  printf x >> {harness.folder}/reached\n{then or wait};; esac\n"
        f'exec {real}/git "$@"\n'
    )
    script.chmod(0o755)
    harness.env["PATH"] = f"{folder}:{harness.env['PATH']}"
