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

    from support.harness import Harness

TASKS = f"specs/{FEATURE}/tasks.md"
THREE = """\
    ## Phase 1: Setup

    - [ ] T002 [P] [ASYNC] Write `two.txt`
    - [ ] T001 [P] [ASYNC] Write `one.txt`
    - [ ] T003 [P] [ASYNC] Write `three.txt`
    """


@pytest.fixture(autouse=True)
def _main_is_never_touched(harness: Harness) -> Iterator[None]:
    before = harness.remote_refs()["refs/heads/main"]
    yield
    assert harness.remote_refs()["refs/heads/main"] == before
    assert worktrees(harness) == 1


@pytest.fixture
def ready(harness: Harness) -> Harness:
    """One attempt at T001 is verified and waits to be merged."""
    harness.tasks(THREE)
    attempt(harness, "T001", writes({"one.txt": "1\n"}))
    return harness


def subjects(harness: Harness) -> list[str]:
    spread = f"main..{FEATURE}"
    return harness.git(
        "log", "--first-parent", "--format=%s", spread, cwd=harness.remote
    ).splitlines()


def test_merges_in_the_order_of_the_plan(harness: Harness) -> None:
    harness.tasks(THREE)
    for task in ("T003", "T001", "T002"):  # neither by id nor by age
        attempt(harness, task, writes({f"{task}.txt": task}))
    done = harness.run("merge")
    assert done.code == 0
    assert [event["task"] for event in done.of("merged")] == ["T002", "T001", "T003"]
    assert [line.split(" ")[1] for line in subjects(harness)[3:0:-1]] == ["T002", "T001", "T003"]
    assert harness.ticked() == {"T001", "T002", "T003"}
    assert done.events[-1]["counts"] == {"ticked": 3, "conflict": 0}


def test_merges_only_the_tasks_that_are_named(harness: Harness) -> None:
    harness.tasks(THREE)
    for task in ("T001", "T002"):
        attempt(harness, task, writes({f"{task}.txt": task}))
    assert harness.run("merge", "T002").code == 0
    assert harness.ticked() == {"T002"}


def test_brings_a_clean_checkout_along(ready: Harness) -> None:
    done = ready.run("merge")
    assert done.code == 0
    assert not done.of("warning")
    assert ready.git("rev-parse", "HEAD") == ready.remote_refs()[f"refs/heads/{FEATURE}"]
    assert (ready.checkout / "one.txt").read_text() == "1\n"
    assert ready.git("status", "--porcelain") == ""


def tracked(harness: Harness) -> None:
    harness.write("README.md", "mine\n")
    os.utime(harness.tasks_file, (1, 1))  # tempts git to rewrite its index


def staged(harness: Harness) -> None:
    harness.write("new.txt", "mine\n")
    harness.git("add", "new.txt")


def untracked_in_the_way(harness: Harness) -> None:
    harness.write("one.txt", "mine\n")


def local_commit(harness: Harness) -> None:
    harness.write("mine.txt", "mine\n")
    harness.commit("Mine", push=False)


def merge_going_on(harness: Harness) -> None:
    harness.git("branch", "side")
    local_commit(harness)
    harness.git("switch", "--quiet", "side")
    harness.write("mine.txt", "theirs\n")
    harness.commit("Theirs", push=False)
    harness.git("switch", "--quiet", FEATURE)
    harness.git("merge", "side", check=False)
    assert (harness.checkout / ".git/MERGE_HEAD").exists()


def merge_going_on_without_a_change(harness: Harness) -> None:
    harness.git("merge", "--no-ff", "--no-commit", "-s", "ours", "main", check=False)
    (harness.checkout / ".git/MERGE_HEAD").write_text(harness.git("rev-parse", "main") + "\n")


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
def test_leaves_a_checkout_in_use_as_it_is(
    ready: Harness, disturb: Callable[[Harness], None]
) -> None:
    disturb(ready)
    before = picture(ready.checkout)
    done = ready.run("merge")
    assert picture(ready.checkout) == before
    assert done.code == 0
    assert ready.ticked() == {"T001"}
    assert [event["code"] for event in done.of("warning")] == ["not_fast_forwarded"]


def test_an_ignored_file_is_not_overwritten(ready: Harness) -> None:
    ready.write("one.txt", "mine\n")
    (ready.checkout / ".git/info/exclude").write_text("one.txt\n")
    before = work_files(ready.checkout)
    done = ready.run("merge")
    assert [event["code"] for event in done.of("warning")] == ["not_fast_forwarded"]
    assert work_files(ready.checkout) == before


@pytest.mark.parametrize("switch", [("switch", "-q", "side"), ("checkout", "-q", "--detach")])
def test_a_checkout_that_was_switched_meanwhile_stays(
    harness: Harness, switch: tuple[str, ...]
) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `one.txt`\n")
    harness.git("branch", "--no-track", "side", f"{FEATURE}~1")
    harness.git("push", "-q", "origin", f"{FEATURE}:refs/heads/side")  # ahead of the local branch
    argv = shlex.join(["git", "-C", str(harness.checkout), *switch])
    harness.agent(f"subprocess.run({argv!r}, shell=True, check=True)\nopen('one.txt', 'w')\n")
    done = harness.run("run")
    assert [event["task"] for event in done.of("ticked")] == ["T001"]
    assert [event["code"] for event in done.of("warning")] == ["not_fast_forwarded"]
    expected = {"switch": f"{FEATURE}~1", "checkout": FEATURE}[switch[0]]
    assert harness.git("rev-parse", "HEAD") == harness.git("rev-parse", expected)
    assert not (harness.checkout / "one.txt").exists()


def test_a_conflict_leaves_the_branch_whole_and_the_others_go_in(harness: Harness) -> None:
    harness.tasks(THREE)
    attempt(harness, "T001", writes({"README.md": "# One\n", "one.txt": "1\n"}))
    attempt(harness, "T002", writes({"README.md": "# Two\n", "two.txt": "2\n"}))
    attempt(harness, "T003", writes({"three.txt": "3\n"}))
    branches = {name: at for name, at in harness.remote_refs().items() if "sdlc-runner" in name}
    done = harness.run("merge")
    assert done.code == 1
    (conflict,) = done.of("conflict")
    assert (conflict["task"], conflict["files"]) == ("T001", ["README.md"])
    assert conflict["branch"] in conflict["hint"]
    assert harness.ticked() == {"T002", "T003"}
    assert harness.remote_file("README.md") == "# Two"
    files = harness.git("ls-tree", "-r", "--name-only", FEATURE, cwd=harness.remote).splitlines()
    assert {"two.txt", "three.txt"} < set(files)
    assert "one.txt" not in files
    assert branches.items() <= harness.remote_refs().items()
    assert "1 in conflict: T001" in done.events[-1]["verdict"]
    assert done.events[-1]["next"] == "sdlc-runner retry T001"


def test_a_conflict_can_be_retried_on_what_is_merged(harness: Harness) -> None:
    harness.tasks(THREE)
    attempt(harness, "T001", writes({"README.md": "# One\n"}))
    attempt(harness, "T002", writes({"README.md": "# Two\n"}))
    early = harness.run("retry", "T001")
    assert (early.code, early.error["code"]) == (2, "task_done")
    assert early.error["hint"] == "`sdlc-runner merge T001`"
    (conflict,) = harness.run("merge").of("conflict")
    assert conflict["hint"].startswith("`sdlc-runner retry T001` ")
    assert harness.run("status").of("row", "T001")[0]["outcome"] == "conflict"
    again = harness.run("retry", "T001", "--follow").outcome("T001")
    assert (again["attempt"], again["outcome"]) == (2, "succeeded")
    assert again["base"] == harness.remote_refs()[f"refs/heads/{FEATURE}"]
    assert harness.run("merge").of("ticked", "T001")
    late = harness.run("retry", "T001")
    assert (late.code, late.error["hint"]) == (2, "`sdlc-runner plan` shows what is open.")


def test_the_remedy_of_a_conflict_works_as_it_is_written(harness: Harness) -> None:
    harness.tasks(THREE)
    attempt(harness, "T001", writes({"README.md": "# One\n"}))
    attempt(harness, "T002", writes({"README.md": "# Two\n"}))
    (conflict,) = harness.run("merge").of("conflict")
    command = conflict["hint"].split("`")[3]
    for part in command.split(" && "):
        harness.git(*shlex.split(part)[1:], check=False)
    harness.write("README.md", "# Both\n")
    text = harness.tasks_file.read_text()
    harness.tasks_file.write_text(text.replace("[ ] T001", "[X] T001"))
    harness.git("commit", "-qam", "Both")
    assert harness.run("publish").code == 0
    assert harness.ticked() == {"T001", "T002"}
    assert harness.run("merge").events[-1]["verdict"] == "0 merged and ticked."


def test_edits_of_an_attempt_to_the_session_s_files_are_left_out(harness: Harness) -> None:
    harness.tasks(THREE)
    harness.write(f"specs/{FEATURE}/tasks_meta.json", "{}\n")
    harness.commit("Meta")
    edits = {
        TASKS: "- [X] T001 [P] [ASYNC] All mine\n",
        f"specs/{FEATURE}/tasks_meta.json": '{"T001": "mine"}\n',
        f"specs/{FEATURE}/.async_state/a/b": "mine",
        ".specify/feature.json": '{"feature_directory": "specs/666"}\n',
        "src/tasks.md": "kept\n",
        "one.txt": "1\n",
    }
    attempt(harness, "T001", writes(dict(edits)))
    harness.tasks(THREE.replace("two.txt", "zwei.txt"))  # so that tasks.md conflicts as well
    done = harness.run("merge")
    assert done.code == 0
    assert set(done.of("merged")[0]["stripped"]) == set(list(edits)[:4])
    there = harness.git("ls-tree", "-r", "--name-only", FEATURE, cwd=harness.remote).splitlines()
    assert {"src/tasks.md", "one.txt"} <= set(there)
    assert not [name for name in there if "async_state" in name or "feature.json" in name]
    assert harness.remote_file(f"specs/{FEATURE}/tasks_meta.json") == "{}"
    assert "zwei.txt" in harness.remote_file(TASKS)
    assert harness.ticked() == {"T001"}


def test_a_deleted_or_moved_tasks_file_stays_where_it_was(harness: Harness) -> None:
    harness.tasks(THREE)

    def move(work: Path) -> None:
        (work / TASKS).rename(work / "moved.md")

    attempt(harness, "T001", move)
    assert harness.run("merge").of("merged")[0]["stripped"] == [TASKS]
    assert harness.ticked() == {"T001"}


def test_edits_of_an_agent_are_stripped_before_they_are_pushed(harness: Harness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `one.txt`\n")
    harness.agent(f"open('one.txt', 'w')\nopen('{TASKS}', 'a').write('- [ ] T666 [ASYNC] More\\n')")
    assert harness.run("spawn", "T001", "--follow").code == 0
    branch = f"sdlc-runner/{FEATURE}/T001-1"
    assert harness.remote_file(TASKS, branch) == harness.remote_file(TASKS)
    assert harness.run("merge").code == 0
    assert "T666" not in harness.remote_file(TASKS)


def test_merging_what_is_merged_does_no_harm(ready: Harness) -> None:
    ready.run("merge")
    before, refs = picture(ready.checkout), ready.remote_refs()
    for words in ((), ("T001",)):
        done = ready.run("merge", *words)
        assert (done.code, [event["type"] for event in done.events]) == (0, ["summary"])
    assert picture(ready.checkout) == before
    assert ready.remote_refs() == refs


def test_a_tick_that_got_lost_is_made_up_for(ready: Harness) -> None:
    ready.run("merge")
    ready.tasks(THREE)  # the box is open again, the work is in
    done = ready.run("merge")
    assert not done.of("merged")
    assert ready.ticked() == {"T001"}


def test_what_is_not_verified_is_not_merged(harness: Harness) -> None:
    harness.tasks(THREE)
    made = attempt(harness, "T001", writes({"one.txt": "1\n"}))
    harness.git("push", "-qf", "origin", f"{FEATURE}:refs/heads/{made.branch}")
    before = harness.remote_refs()
    done = harness.run("merge")
    assert done.code == 1
    assert "not verified: T001" in done.events[-1]["verdict"]
    assert harness.remote_refs() == before


def test_a_push_that_is_refused_ticks_nothing_and_can_be_done_again(ready: Harness) -> None:
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


def test_a_git_directory_elsewhere_leaves_the_checkout_alone(ready: Harness) -> None:
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
