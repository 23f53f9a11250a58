"""``merge``: the right work goes in, in order, and nothing of the user's is touched."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest

from support.git.checkouts import hook, picture, work_files, worktrees
from support.git.plain_git import attempt, writes
from support.harness import FEATURE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.harness import Rig

TASKS = f"specs/{FEATURE}/tasks.md"
THREE = """\
    ## Phase 1: Setup

    - [ ] T002 [P] [ASYNC] Write `two.txt`
    - [ ] T001 [P] [ASYNC] Write `one.txt`
    - [ ] T003 [P] [ASYNC] Write `three.txt`
    """


@pytest.fixture(autouse=True)
def _main_is_never_touched(rig: Rig) -> Iterator[None]:
    before = rig.remote_refs()["refs/heads/main"]
    yield
    assert rig.remote_refs()["refs/heads/main"] == before
    assert worktrees(rig) == 1


@pytest.fixture
def ready(rig: Rig) -> Rig:
    """One attempt at T001 is verified and waits to be merged."""
    rig.tasks(THREE)
    attempt(rig, "T001", writes({"one.txt": "1\n"}))
    return rig


def subjects(rig: Rig) -> list[str]:
    spread = f"main..{FEATURE}"
    return rig.git("log", "--first-parent", "--format=%s", spread, cwd=rig.remote).splitlines()


def test_merges_in_the_order_of_the_plan(rig: Rig) -> None:
    rig.tasks(THREE)
    for task in ("T003", "T001", "T002"):  # neither by id nor by age
        attempt(rig, task, writes({f"{task}.txt": task}))
    done = rig.run("merge")
    assert done.code == 0
    assert [event["task"] for event in done.of("merged")] == ["T002", "T001", "T003"]
    assert [line.split(" ")[1] for line in subjects(rig)[3:0:-1]] == ["T002", "T001", "T003"]
    assert rig.ticked() == {"T001", "T002", "T003"}
    assert done.events[-1]["counts"] == {"ticked": 3, "conflict": 0}


def test_merges_only_the_tasks_that_are_named(rig: Rig) -> None:
    rig.tasks(THREE)
    for task in ("T001", "T002"):
        attempt(rig, task, writes({f"{task}.txt": task}))
    assert rig.run("merge", "T002").code == 0
    assert rig.ticked() == {"T002"}


def test_brings_a_clean_checkout_along(ready: Rig) -> None:
    done = ready.run("merge")
    assert done.code == 0
    assert not done.of("warning")
    assert ready.git("rev-parse", "HEAD") == ready.remote_refs()[f"refs/heads/{FEATURE}"]
    assert (ready.checkout / "one.txt").read_text() == "1\n"
    assert ready.git("status", "--porcelain") == ""


def tracked(rig: Rig) -> None:
    rig.write("README.md", "mine\n")
    os.utime(rig.tasks_file, (1, 1))  # tempts git to write its index anew


def staged(rig: Rig) -> None:
    rig.write("new.txt", "mine\n")
    rig.git("add", "new.txt")


def untracked_in_the_way(rig: Rig) -> None:
    rig.write("one.txt", "mine\n")


def local_commit(rig: Rig) -> None:
    rig.write("mine.txt", "mine\n")
    rig.commit("Mine", push=False)


def merge_going_on(rig: Rig) -> None:
    rig.git("branch", "side")
    local_commit(rig)
    rig.git("switch", "--quiet", "side")
    rig.write("mine.txt", "theirs\n")
    rig.commit("Theirs", push=False)
    rig.git("switch", "--quiet", FEATURE)
    rig.git("merge", "side", check=False)
    assert (rig.checkout / ".git/MERGE_HEAD").exists()


def merge_going_on_without_a_change(rig: Rig) -> None:
    rig.git("merge", "--no-ff", "--no-commit", "-s", "ours", "main", check=False)
    (rig.checkout / ".git/MERGE_HEAD").write_text(rig.git("rev-parse", "main") + "\n")


@pytest.mark.parametrize(
    "disturb",
    [
        tracked,
        staged,
        untracked_in_the_way,
        local_commit,
        merge_going_on,
        merge_going_on_without_a_change,
    ],
)
def test_leaves_a_checkout_in_use_as_it_is(ready: Rig, disturb: Callable[[Rig], None]) -> None:
    disturb(ready)
    before = picture(ready.checkout)
    done = ready.run("merge")
    assert picture(ready.checkout) == before
    assert done.code == 0
    assert ready.ticked() == {"T001"}
    assert [event["code"] for event in done.of("warning")] == ["not_fast_forwarded"]


def test_an_ignored_file_is_not_overwritten(ready: Rig) -> None:
    ready.write("one.txt", "mine\n")
    (ready.checkout / ".git/info/exclude").write_text("one.txt\n")
    before = work_files(ready.checkout)
    done = ready.run("merge")
    assert [event["code"] for event in done.of("warning")] == ["not_fast_forwarded"]
    assert work_files(ready.checkout) == before


@pytest.mark.parametrize("switch", [("switch", "-q", "side"), ("checkout", "-q", "--detach")])
def test_a_checkout_that_was_switched_meanwhile_stays(rig: Rig, switch: tuple[str, ...]) -> None:
    rig.tasks("- [ ] T001 [ASYNC] Write `one.txt`\n")
    rig.git("branch", "--no-track", "side", f"{FEATURE}~1")
    rig.git("push", "-q", "origin", f"{FEATURE}:refs/heads/side")  # ahead of the local branch
    argv = shlex.join(["git", "-C", str(rig.checkout), *switch])
    rig.agent(f"subprocess.run({argv!r}, shell=True, check=True)\nopen('one.txt', 'w')\n")
    done = rig.run("run")
    assert [event["task"] for event in done.of("ticked")] == ["T001"]
    assert [event["code"] for event in done.of("warning")] == ["not_fast_forwarded"]
    expected = {"switch": f"{FEATURE}~1", "checkout": FEATURE}[switch[0]]
    assert rig.git("rev-parse", "HEAD") == rig.git("rev-parse", expected)
    assert not (rig.checkout / "one.txt").exists()


def test_a_conflict_leaves_the_branch_whole_and_the_others_go_in(rig: Rig) -> None:
    rig.tasks(THREE)
    attempt(rig, "T001", writes({"README.md": "# One\n", "one.txt": "1\n"}))
    attempt(rig, "T002", writes({"README.md": "# Two\n", "two.txt": "2\n"}))
    attempt(rig, "T003", writes({"three.txt": "3\n"}))
    branches = {name: at for name, at in rig.remote_refs().items() if "sdlc-runner" in name}
    done = rig.run("merge")
    assert done.code == 1
    (conflict,) = done.of("conflict")
    assert (conflict["task"], conflict["files"]) == ("T001", ["README.md"])
    assert conflict["branch"] in conflict["hint"]
    assert rig.ticked() == {"T002", "T003"}
    assert rig.remote_file("README.md") == "# Two"
    files = rig.git("ls-tree", "-r", "--name-only", FEATURE, cwd=rig.remote).splitlines()
    assert {"two.txt", "three.txt"} < set(files)
    assert "one.txt" not in files
    assert branches.items() <= rig.remote_refs().items()
    assert "1 in conflict: T001" in done.events[-1]["verdict"]


def test_the_remedy_of_a_conflict_works_as_it_is_written(rig: Rig) -> None:
    rig.tasks(THREE)
    attempt(rig, "T001", writes({"README.md": "# One\n"}))
    attempt(rig, "T002", writes({"README.md": "# Two\n"}))
    (conflict,) = rig.run("merge").of("conflict")
    command = conflict["hint"].split("`")[1]
    for part in command.split(" && "):
        rig.git(*shlex.split(part)[1:], check=False)
    rig.write("README.md", "# Both\n")
    text = rig.tasks_file.read_text()
    rig.tasks_file.write_text(text.replace("[ ] T001", "[X] T001"))
    rig.git("commit", "-qam", "Both")
    assert rig.run("publish").code == 0
    assert rig.ticked() == {"T001", "T002"}
    assert rig.run("merge").events[-1]["verdict"] == "0 merged and ticked."


def test_edits_of_an_attempt_to_the_session_s_files_are_left_out(rig: Rig) -> None:
    rig.tasks(THREE)
    rig.write(f"specs/{FEATURE}/tasks_meta.json", "{}\n")
    rig.commit("Meta")
    edits = {
        TASKS: "- [X] T001 [P] [ASYNC] All mine\n",
        f"specs/{FEATURE}/tasks_meta.json": '{"T001": "mine"}\n',
        f"specs/{FEATURE}/.async_state/a/b": "mine",
        ".specify/feature.json": '{"feature_directory": "specs/666"}\n',
        "src/tasks.md": "kept\n",
        "one.txt": "1\n",
    }
    attempt(rig, "T001", writes(dict(edits)))
    rig.tasks(THREE.replace("two.txt", "zwei.txt"))  # so that tasks.md conflicts as well
    done = rig.run("merge")
    assert done.code == 0
    assert set(done.of("merged")[0]["stripped"]) == set(list(edits)[:4])
    there = rig.git("ls-tree", "-r", "--name-only", FEATURE, cwd=rig.remote).splitlines()
    assert {"src/tasks.md", "one.txt"} <= set(there)
    assert not [name for name in there if "async_state" in name or "feature.json" in name]
    assert rig.remote_file(f"specs/{FEATURE}/tasks_meta.json") == "{}"
    assert "zwei.txt" in rig.remote_file(TASKS)
    assert rig.ticked() == {"T001"}


def test_a_deleted_or_moved_tasks_file_stays_where_it_was(rig: Rig) -> None:
    rig.tasks(THREE)

    def move(work: Path) -> None:
        (work / TASKS).rename(work / "moved.md")

    attempt(rig, "T001", move)
    assert rig.run("merge").of("merged")[0]["stripped"] == [TASKS]
    assert rig.ticked() == {"T001"}


def test_edits_of_an_agent_are_stripped_before_they_are_pushed(rig: Rig) -> None:
    rig.tasks("- [ ] T001 [ASYNC] Write `one.txt`\n")
    rig.agent(f"open('one.txt', 'w')\nopen('{TASKS}', 'a').write('- [ ] T666 [ASYNC] More\\n')")
    assert rig.run("spawn", "T001", "--follow").code == 0
    branch = f"sdlc-runner/{FEATURE}/T001-1"
    assert rig.remote_file(TASKS, branch) == rig.remote_file(TASKS)
    assert rig.run("merge").code == 0
    assert "T666" not in rig.remote_file(TASKS)


def test_merging_what_is_merged_does_no_harm(ready: Rig) -> None:
    ready.run("merge")
    before, refs = picture(ready.checkout), ready.remote_refs()
    for words in ((), ("T001",)):
        done = ready.run("merge", *words)
        assert (done.code, [event["type"] for event in done.events]) == (0, ["summary"])
    assert picture(ready.checkout) == before
    assert ready.remote_refs() == refs


def test_a_tick_that_got_lost_is_made_up_for(ready: Rig) -> None:
    ready.run("merge")
    ready.tasks(THREE)  # the box is open again, the work is in
    done = ready.run("merge")
    assert not done.of("merged")
    assert ready.ticked() == {"T001"}


def test_what_is_not_verified_is_not_merged(rig: Rig) -> None:
    rig.tasks(THREE)
    made = attempt(rig, "T001", writes({"one.txt": "1\n"}))
    rig.git("push", "-qf", "origin", f"{FEATURE}:refs/heads/{made.branch}")
    before = rig.remote_refs()
    done = rig.run("merge")
    assert done.code == 1
    assert "not verified: T001" in done.events[-1]["verdict"]
    assert rig.remote_refs() == before


def test_a_push_that_is_refused_ticks_nothing_and_can_be_done_again(ready: Rig) -> None:
    hook(ready, "update", f'test "$1" != refs/heads/{FEATURE} || {{ echo Not now >&2; exit 1; }}')
    before, refs = picture(ready.checkout), ready.remote_refs()
    done = ready.run("merge")
    assert (done.code, done.error["code"]) == (1, "push_rejected")
    assert "sdlc-runner merge" in done.error["hint"]
    assert "Not now" in done.error["message"] or "hook declined" in done.error["message"]
    assert not done.of("merged")
    assert not done.of("ticked")
    assert picture(ready.checkout) == before
    assert ready.remote_refs() == refs
    hook(ready, "update", "")
    assert ready.run("merge").code == 0
    assert ready.ticked() == {"T001"}
    assert "one.txt" in work_files(ready.checkout)


def test_a_git_directory_elsewhere_leaves_the_checkout_alone(ready: Rig) -> None:
    """git takes core.worktree for linked work trees too, and ours is reset and cleaned."""
    ready.checkout.joinpath(".git").rename(ready.folder / "gitdir")
    ready.write(".git", f"gitdir: {ready.folder / 'gitdir'}\n")
    ready.git("config", "core.worktree", str(ready.checkout))
    ready.git("config", "extensions.worktreeConfig", "true")
    ready.write("unsaved.txt", "hours of work\n")
    ready.write("README.md", "# Demo\n\nmore\n")
    assert ready.run("merge").code == 0
    assert ready.run("report").code == 0
    assert "T001" in ready.ticked()
    assert ready.checkout.joinpath("unsaved.txt").read_text() == "hours of work\n"
    assert ready.checkout.joinpath("README.md").read_text() == "# Demo\n\nmore\n"
