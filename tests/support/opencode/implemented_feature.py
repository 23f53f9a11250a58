"""A feature that a session implements from its first task to its last, and what must hold then."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from support.harness import FEATURE
from support.model import session_model
from support.model.server import ModelServer
from support.model.session_model import Implementer
from support.opencode.developer_session import OpenCode

if TYPE_CHECKING:
    from support.harness import Harness
    from support.opencode.developer_session import ToolCall

TASKS = f"specs/{FEATURE}/tasks.md"
TEXT = """\
    ## Phase 1: Setup

    - [ ] T001 [SYNC] Choose the names in `names.txt`

    ## Phase 2: Work

    - [ ] T002 [P] [ASYNC] Begin `chain.txt`
    - [ ] T003 [P] [ASYNC] Write `a.txt`
    - [ ] T004 [P] [ASYNC] Write `b.txt`
    - [ ] T005 [P] [ASYNC] Write `c.txt`
    - [ ] T006 [P] [ASYNC] Go on in `chain.txt`
    - [ ] T007 [P] [ASYNC] Write `hard.txt`

    ## Phase 3: Polish

    - [ ] T008 [SYNC] Look at it all in `look.txt`
    """
WRITE = """
name = re.search(r'`(\\S+\\.txt)`', prompt)[1]
with open(name, 'a') as file: file.write(f'by {task}\\n')
"""
FLOOD = """
if task == 'T007':
    for _ in range({lines}): sys.stdout.write('x' * 199 + '\\n')
    print('the compiler says no'); sys.exit(3)
print(f'{{task}} begins'); sys.stdout.flush(); time.sleep(2)
"""
_READ_PER_ATTEMPT = 4_000  # bytes
_TURNS_PER_ATTEMPT = 3


def attempts(harness: Harness) -> list[str]:
    """Every attempt that the remote knows, a bundle by its first task."""
    refs = sorted(harness.remote_refs().items(), reverse=True)
    first = {commit: name for name, commit in refs if name.endswith("/start")}
    return sorted("/".join(name.split("/")[-3:-1]) for name in first.values())


def boxes(harness: Harness) -> set[str]:
    """What is ticked here and on the remote, which must say the same."""
    here = set(re.findall(r"^- \[[Xx]\] (\S+)", harness.tasks_file.read_text(), re.MULTILINE))
    assert here == harness.ticked()
    return here


def implement(harness: Harness, typed: str, flood: int) -> None:
    """Type the command where the bundle is installed; ``flood``: lines of the one that fails."""
    harness.tasks(TEXT)
    harness.agent(FLOOD.format(lines=flood) + WRITE)
    rules = session_model.rules(Implementer(TASKS))
    with ModelServer(rules) as model, OpenCode(harness, model) as opencode:
        session = opencode.type(typed)
        made, said = opencode.calls(session), "\n".join(opencode.texts(session))
        children = opencode.children(session)
        read = [call for child in children for call in opencode.calls(child)]
        turns = [opencode.turns(child) for child in children]
    is_done(harness, made, said)
    shows_all(made)
    costs_little(made, read, turns)


def is_done(harness: Harness, made: list[ToolCall], said: str) -> None:
    """Check what was merged and ticked, and that the one that failed came back and was done."""
    assert boxes(harness) == {f"T00{number}" for number in range(1, 9)}
    assert attempts(harness) == [f"T00{number}/1" for number in range(2, 8)]
    assert harness.remote_file("chain.txt") == "by T002\nby T006"
    assert [harness.remote_file(f"{name}.txt") for name in "abc"] == [
        "by T003",
        "by T004",
        "by T005",
    ]
    assert re.search(r"FAILED T007\n(.*\n)*T007 \| the compiler says no\n", said), said
    assert harness.remote_file("hard.txt") == "T007 here"
    newest = harness.git("log", "--format=%s", "-1", FEATURE, cwd=harness.remote)
    assert newest == "T007, T008: SYNC work"
    assert "| T007 | Write" in made[-1].output


def shows_all(made: list[ToolCall]) -> None:
    """Check that each wave is one message, and that the session shows what each attempt does."""
    watches = [call for call in made if " watch " in call.command]
    assert [len(watch.command.split(" watch ")[1].split()) for watch in watches] == [5, 1]
    for watch in watches:
        tasks = watch.command.split(" watch ")[1].split()
        beside = [call for call in made if call.turn == watch.turn and call.name == "task"]
        assert len(beside) == len(tasks)
        assert max(call.began for call in beside) < min(call.ended for call in [*beside, watch])
        for task in tasks:
            shown = [line for line in watch.output.splitlines() if line.startswith(f"{task} ")]
            assert len(shown) >= 2, watch.output


def costs_little(made: list[ToolCall], read: list[ToolCall], turns: list[int]) -> None:
    """Check the turns of each subagent, and what the models read of each attempt in all."""
    handed = {str(call.arguments["description"])[-4:]: call for call in made if call.name == "task"}
    assert len(turns) == len(handed) == 6
    assert max(turns) <= _TURNS_PER_ATTEMPT
    shared = [call for call in made if re.search(r" (watch|merge)\b", call.command)]
    for task, call in handed.items():
        (own,) = [each for each in read if f" {task} " in each.command]
        size = len(own.output.encode()) + len(call.output.encode())
        size += sum(_about(each, task) for each in shared)
        assert size <= _READ_PER_ATTEMPT, (task, size)


def _about(call: ToolCall, task: str) -> int:
    """How many bytes of a call's output are about a task."""
    lines = [line for line in call.output.splitlines() if line.startswith(task)]
    return sum(len(line.encode()) + 1 for line in lines)
