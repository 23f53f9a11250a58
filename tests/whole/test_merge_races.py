"""``merge`` among others: the branch moves, two merge at once, one is killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest

from support.git.checkouts import hook, worktrees
from support.git.plain_git import attempt, writes
from support.harness import FEATURE, Harness, until

TASKS = """\
    - [ ] T001 [P] [ASYNC] Write `one.txt`
    - [ ] T002 [P] [ASYNC] Write `two.txt`
    - [ ] T003 [P] [ASYNC] Write `three.txt`
    """
ALL = {"T001", "T002", "T003"}


@pytest.fixture
def three(harness: Harness) -> Harness:
    """Three verified attempts wait to be merged."""
    harness.tasks(TASKS)
    for task in sorted(ALL):
        attempt(harness, task, writes({f"{task}.txt": f"{task}\n"}))
    return harness


def other_commit(harness: Harness) -> str:
    """A commit on the feature branch that somebody else is about to push; the remote has it."""
    work = harness.folder / "somebody"
    harness.git("clone", "-q", "-b", FEATURE, str(harness.remote), str(work), cwd=harness.folder)
    (work / "theirs.txt").write_text("theirs\n")
    harness.git("add", "-A", cwd=work)
    harness.git("commit", "-qm", "Theirs", cwd=work)
    harness.git("push", "-q", "origin", "HEAD:refs/heads/somebody", cwd=work)
    return harness.git("rev-parse", "HEAD", cwd=work)


def all_is_merged_once(harness: Harness) -> None:
    assert harness.ticked() == ALL
    log = harness.git("log", "--format=%s", f"main..{FEATURE}", cwd=harness.remote).splitlines()
    for task in ALL:
        assert sum(line.startswith(f"Merge {task} ") for line in log) == 1
        assert harness.remote_file(f"{task}.txt") == task


def test_a_branch_that_moved_before_the_push_is_merged_again(three: Harness) -> None:
    theirs = other_commit(three)
    fetched = three.folder / "fetched"
    # Moves the branch once, after merge has fetched it and before it pushes.
    hook(
        three,
        "pre-receive",
        f"test -e {fetched} && exit; touch {fetched}\n"
        f"env -u GIT_QUARANTINE_PATH git update-ref refs/heads/{FEATURE} {theirs}\n",
    )
    done = three.run("merge")
    assert done.code == 0, done.stdout
    assert len(done.of("merged")) == len(done.of("ticked")) == 3
    all_is_merged_once(three)
    assert three.remote_file("theirs.txt") == "theirs"


def test_a_branch_that_moves_in_the_middle_of_the_push_is_merged_again(three: Harness) -> None:
    theirs = other_commit(three)
    hook(
        three,
        "update",
        f'test "$1" = refs/heads/{FEATURE} || exit 0\n'
        f"test -e {three.folder}/moved && exit 0; touch {three.folder}/moved\n"
        f"git update-ref refs/heads/{FEATURE} {theirs}\n",
    )
    done = three.run("merge")
    assert done.code == 0, done.stdout
    all_is_merged_once(three)
    assert three.remote_file("theirs.txt") == "theirs"


def test_a_branch_that_never_rests_is_given_up(three: Harness) -> None:
    hook(
        three,
        "update",
        f'test "$1" = refs/heads/{FEATURE} || exit 0\n'
        "new=$(echo moved | git commit-tree -p $2 $2^{tree})\n"
        f"git update-ref refs/heads/{FEATURE} $new\n",
    )
    done = three.run("merge")
    assert (done.code, done.error["code"]) == (1, "feature_moved")
    assert "sdlc-runner merge" in done.error["hint"]
    assert not done.of("merged")
    assert three.ticked() == set()


def test_a_feature_branch_that_is_gone_from_the_remote_is_named(three: Harness) -> None:
    three.git("push", "-q", "origin", f":refs/heads/{FEATURE}")
    refs = three.remote_refs()
    done = three.run("merge")
    assert (done.code, done.error["code"]) == (2, "feature_not_pushed")
    assert "sdlc-runner publish" in done.error["hint"]
    assert three.remote_refs() == refs


def test_a_fetch_of_someone_else_is_waited_for(three: Harness) -> None:
    lock = three.checkout / f".git/refs/remotes/origin/{FEATURE}.lock"
    lock.touch()
    three.git("push", "-q", "origin", f"{other_commit(three)}:refs/heads/{FEATURE}", check=False)
    freed = threading.Timer(0.8, lock.unlink)
    freed.start()
    done = three.run("merge")
    freed.join()
    assert done.code == 0, done.stdout
    all_is_merged_once(three)


def test_two_merges_at_once(three: Harness) -> None:
    both = [three.start("merge") for _ in range(2)]
    ends = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    all_is_merged_once(three)
    assert worktrees(three) == 1
    assert three.git("status", "--porcelain") == ""


def test_two_merges_at_once_from_two_checkouts(three: Harness) -> None:
    other = three.folder / "other"
    three.git("clone", "-q", "-b", FEATURE, str(three.remote), str(other))
    first = three.start("merge")
    second = three.run("merge", cwd=other)
    first.communicate(timeout=60)
    assert (first.returncode, second.code) == (0, 0)
    all_is_merged_once(three)


@pytest.mark.slow
def test_killed_at_any_moment_and_done_again(three: Harness) -> None:
    began = time.monotonic()
    three.run("merge", "T001")
    longest = time.monotonic() - began
    chance = random.Random(7)  # noqa: S311
    for _ in range(12):
        process = three.start("merge")
        time.sleep(chance.uniform(0.05, longest))
        process.kill()
        process.communicate()
        assert three.git("fsck", "--connectivity-only", cwd=three.remote) == ""
        assert three.ticked() in ({"T001"}, ALL)
    # A git that was at work when its merge was killed may still be.
    until(lambda: three.run("merge").code == 0 and worktrees(three) == 1)
    all_is_merged_once(three)
    assert not list((three.state / "merge").glob("*/tree-*"))


def test_killed_with_its_worktree_half_made_and_done_again(three: Harness) -> None:
    hook_path = three.remote / "hooks/pre-receive"
    marker = three.folder / "pushing"
    hook(three, "pre-receive", f"touch {marker}; sleep 30")
    process = three.start("merge")
    three.wait_for(marker)
    process.kill()
    process.communicate()
    assert worktrees(three) == 2
    (left,) = (three.state / "merge").glob("*/tree-*")
    (three.checkout / ".git/worktrees" / left.name / "locked").write_text("initializing")
    hook_path.unlink()
    assert three.run("merge").code == 0
    assert worktrees(three) == 1
    all_is_merged_once(three)


def test_an_interrupted_merge_ends_at_once_and_leaves_nothing(three: Harness) -> None:
    marker = three.folder / "pushing"
    hook(three, "pre-receive", f"touch {marker}; sleep 30")
    process = three.start("merge")
    three.wait_for(marker)
    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - began < 5
    assert worktrees(three) == 1
