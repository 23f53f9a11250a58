"""Every command that a hint names is accepted in the very state in which it is given."""

from __future__ import annotations

import re
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from support import scripted_agents
from support.harness import create, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.harness import Harness, Result

TASKS = """\
## Phase 1: Setup

- [ ] T002 [ASYNC] [P] Write `T002.txt`
- [ ] T003 [ASYNC] [P] Write `README.md` again
- [ ] T004 [ASYNC] [P] Write `T004.txt`
- [ ] T005 [ASYNC] [P] Write `T005.txt`
- [ ] T006 [ASYNC] [P] Write `T006.txt`
- [ ] T007 [ASYNC] [P] Write `T007.txt`
- [X] T008 [ASYNC] [P] Write `T008.txt`
- [X] T009 [SYNC] Write `T009.txt`
- [ ] T010 [ASYNC] [P] Write `T010.txt` (depends on T009)
- [ ] T011 [ASYNC] [P] Check the colors manually
- [ ] T013 [ASYNC] [P] Write `T013.txt` (depends on T006)
- [ ] T001 [SYNC] Choose a license in `LICENSE`

## Phase 2: Core

- [ ] T012 [ASYNC] Write `T012.txt`
"""
STATES = {
    "T001": "SYNC",
    "T002": "merged",
    "T003": "conflict",
    "T004": "failed",
    "T005": "cancelled",
    "T006": "never started",
    "T007": "verified, not merged",
    "T008": "ticked without an attempt",
    "T009": "SYNC, ticked here, not published",
    "T010": "waiting for unpublished work",
    "T011": "manual",
    "T012": "waiting for the SYNC task",
    "T013": "waiting",
    "T099": "unknown",
}
AGENT = """\
if task == 'T003':
    pathlib.Path('README.md').write_text('by the agent\\n')
elif task == 'T004':
    sys.exit(3)
elif task == 'T005' and not pathlib.Path(GO).exists():
    pathlib.Path('T005.txt').write_text('half\\n')
    open(GO + '.half', 'w')
    time.sleep(60)
else:
    pathlib.Path(f'{task}.txt').write_text('x\\n')
"""
NAMED = re.compile(r"sdlc-runner ([a-z]+(?: (?:T\d{3}\b|--?[\w-]+|@?[\w.:-]+(?=`)))*)")
CALLS = (
    "spawn {}",
    "follow {}",
    "verify {}",
    "logs {}",
    "merge {}",
    "cancel {}",
    "retry {}",
    "retry {} --from-checkpoint",
    "attach {}",
    "send {} go",
)
CALLS_OF_ALL = ("plan", "status", "report", "merge", "run T003", "run T004", "verify", "gc")


class Scene:
    """One feature with a task in each state, brought back to that after every call."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self._kept = harness.folder.with_name(f"{harness.folder.name}-kept")
        self._results: dict[str, Result] = {}

    def keep(self) -> None:
        shutil.copytree(self.harness.folder, self._kept, symlinks=True)

    def call(self, command: str) -> Result:
        """Call a command, then put everything back as it was; a second time there is no need."""
        if command in self._results:
            return self._results[command]
        result = self._results[command] = self.harness.run(*shlex.split(command))
        until(self._is_removed)
        shutil.copytree(self._kept, self.harness.folder, symlinks=True)
        return result

    def _is_removed(self) -> bool:
        """Remove everything; what an attempt that was killed leaves running may still write."""
        self.harness.kill_attempts()
        shutil.rmtree(self.harness.folder, ignore_errors=True)
        return not self.harness.folder.exists()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    harness = create(tmp_path_factory.mktemp("hints"))
    before, after = TASKS.replace("[X] T009", "[ ] T009"), TASKS
    harness.tasks(before)
    scripted_agents.agent(harness, AGENT)
    harness.run("spawn", "T002", "--follow")
    harness.run("merge", "T002")
    harness.run("spawn", "T003", "T004", "T007", "--follow")
    harness.run("spawn", "T005")
    until((harness.folder / "go.half").exists)
    harness.run("cancel", "T005")
    (harness.folder / "go").touch()
    harness.write("README.md", "by the user\n")
    harness.commit("Rewrite the readme")
    harness.tasks(after.replace("[ ] T002", "[X] T002"), push=False)
    found = Scene(harness)
    found.keep()
    yield found
    harness.kill_attempts()


def named(result: Result) -> list[str]:
    """Return the commands that the events of a call name."""
    texts = (text for event in result.events for text in _texts(event))
    return list(dict.fromkeys(command for text in texts for command in NAMED.findall(text)))


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def refused(result: Result, command: str) -> str:
    """Say why a command that a hint named was no use; empty if it was."""
    if result.code == 2 or result.of("error"):
        return str(result.stderr or result.stdout)
    words = command.split()
    if words[0] == "merge" and len(words) > 1:
        return "" if result.of("ticked") else str(result.stdout)
    warned = [event["code"] for event in result.of("warning") if event["code"] == "not_running"]
    return str(warned or "")


def dead_ends(scene: Scene, command: str) -> list[str]:
    """Return the commands that a call names and that are of no use then."""
    ends = []
    for follow_up in named(scene.call(command)):
        why = refused(scene.call(follow_up), follow_up)
        if why:
            ends.append(f"{command} → {follow_up}: {why}")
    return ends


def test_the_states_are_those_that_they_are_named_for(scene: Scene) -> None:
    rows = {row["task"]: row for row in scene.call("status").of("row")}
    ended = {task: (row["state"], row["outcome"]) for task, row in rows.items()}
    assert ended == {
        "T002": ("merged", "succeeded"),
        "T003": ("ended", "conflict"),
        "T004": ("ended", "failed"),
        "T005": ("ended", "cancelled"),
        "T007": ("ended", "succeeded"),
    }
    plan = {item["task"]: item["disposition"] for item in scene.call("plan").of("planned")}
    assert {task: plan[task] for task in STATES if task in plan and task not in ended} == {
        "T001": "sync",
        "T006": "ready",
        "T008": "done",
        "T009": "done",
        "T010": "waiting",
        "T011": "manual",
        "T012": "waiting",
        "T013": "waiting",
    }


@pytest.mark.slow
@pytest.mark.parametrize("task", STATES, ids=lambda task: f"{task} {STATES[task]}")
def test_no_hint_about_a_task_leads_to_a_command_that_refuses(scene: Scene, task: str) -> None:
    assert not [end for call in CALLS for end in dead_ends(scene, call.format(task))]


@pytest.mark.parametrize("command", CALLS_OF_ALL)
def test_no_hint_about_the_feature_leads_to_a_command_that_refuses(
    scene: Scene, command: str
) -> None:
    assert not dead_ends(scene, command)


def test_a_running_attempt(harness: Harness) -> None:
    """Its state cannot be put back, so only what leaves it running is called."""
    scripted_agents.held(harness)
    for call in CALLS:
        if call.startswith(("follow", "watch", "cancel")):
            continue
        result = harness.run(*shlex.split(call.format("T001")))
        for command in named(result):
            if not command.startswith("cancel"):
                words = (
                    [*command.split(), "--max-seconds=0.3"] if "follow" in command else [command]
                )
                follow_up = harness.run(*shlex.split(" ".join(words)))
                assert not refused(follow_up, command), f"{call} → {command}"
    assert harness.run("cancel", "T001").code == 0


def test_a_conflict_has_the_same_next_step_everywhere(scene: Scene) -> None:
    for command in ("run T003", "merge T003"):
        assert scene.call(command).events[-1]["next"] == "sdlc-runner retry T003"
    (conflict,) = scene.call("merge T003").of("conflict")
    assert conflict["hint"].startswith("`sdlc-runner retry T003` ")
    assert "not merged: `sdlc-runner retry T003`" in scene.harness.on_terminal("status")
