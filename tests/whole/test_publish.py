"""``publish``: the user's work reaches the feature branch, united with what was merged there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.git.checkouts import hook, picture, work_files
from support.git.plain_git import attempt, writes
from support.harness import FEATURE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.harness import Harness

TASKS = f"specs/{FEATURE}/tasks.md"
TEXT = """\
    - [ ] T001 [SYNC] Write `mine.txt`
    - [ ] T002 [ASYNC] Write `theirs.txt`
    - [ ] T003 [SYNC] Write more
    """


@pytest.fixture(autouse=True)
def _main_is_never_touched(harness: Harness) -> Iterator[None]:
    before = harness.remote_refs()["refs/heads/main"]
    yield
    assert harness.remote_refs()["refs/heads/main"] == before


def tick(harness: Harness, *tasks: str) -> None:
    text = harness.tasks_file.read_text()
    for task in tasks:
        text = text.replace(f"[ ] {task}", f"[X] {task}")
    harness.tasks_file.write_text(text)


def local_hook(harness: Harness, name: str, script: str) -> None:
    path = harness.checkout / ".git/hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def head_on_remote(harness: Harness) -> str | None:
    return harness.remote_refs().get(f"refs/heads/{FEATURE}")


def test_commits_and_pushes_all_of_it(harness: Harness) -> None:
    harness.tasks(TEXT)
    harness.write("old.txt", "old\n")
    harness.commit("Old", push=False)
    tick(harness, "T001", "T003")
    harness.write("new/mine.txt", "mine\n")
    harness.write("staged.txt", "staged\n")
    harness.git("add", "staged.txt")
    (harness.checkout / "old.txt").unlink()
    done = harness.run("publish")
    assert done.code == 0, done.stdout
    assert harness.git("status", "--porcelain") == ""
    assert (
        head_on_remote(harness)
        == harness.git("rev-parse", "HEAD")
        == done.of("published")[0]["commit"]
    )
    assert done.of("published")[0]["files"] == sorted(
        ["new/mine.txt", "old.txt", "staged.txt", TASKS], key=done.of("published")[0]["files"].index
    )
    assert harness.remote_file("new/mine.txt") == "mine"
    assert harness.git("log", "-1", "--format=%s") == "T001, T003: SYNC work"


def test_takes_the_user_s_words(harness: Harness) -> None:
    harness.tasks(TEXT)
    harness.write("mine.txt", "mine\n")
    assert harness.run("publish", "-m", "Mine\n\nAll of it").code == 0
    assert harness.git("log", "-1", "--format=%B").strip() == "Mine\n\nAll of it"


def test_nothing_to_publish_is_well(harness: Harness) -> None:
    harness.tasks(TEXT)
    before, refs = picture(harness.checkout), harness.remote_refs()
    done = harness.run("publish")
    assert (done.code, [event["type"] for event in done.events]) == (0, ["summary"])
    assert (picture(harness.checkout), harness.remote_refs()) == (before, refs)


def test_a_branch_that_the_remote_does_not_have_is_made(harness: Harness) -> None:
    harness.tasks(TEXT, push=False)
    harness.git("push", "-q", "origin", f":refs/heads/{FEATURE}")
    assert head_on_remote(harness) is None
    assert harness.run("publish").code == 0
    assert head_on_remote(harness) == harness.git("rev-parse", "HEAD")


@pytest.mark.parametrize("setting", [(), ("--set", "default_branch=elsewhere")])
def test_refuses_on_the_default_branch(harness: Harness, setting: tuple[str, ...]) -> None:
    harness.tasks(TEXT)
    harness.git("switch", "-q", "main")
    harness.git("merge", "-q", FEATURE)
    harness.write("mine.txt", "mine\n")
    before = picture(harness.checkout)
    done = harness.run("publish", *setting)
    assert (done.code, done.error["code"]) == (2, "on_default_branch")
    assert "git switch -c" in done.error["hint"]
    assert picture(harness.checkout) == before


def test_ticks_of_both_sides_are_kept(harness: Harness) -> None:
    harness.tasks(TEXT)
    attempt(harness, "T002", writes({"theirs.txt": "theirs\n"}))
    tick(harness, "T001")
    harness.write("mine.txt", "mine\n")
    harness.run("merge")
    assert harness.ticked() == {"T002"}
    assert harness.run("publish").code == 0
    assert harness.ticked() == {"T001", "T002"}
    assert harness.tasks_file.read_text().count("[X]") == 2
    assert (harness.checkout / "theirs.txt").exists()
    assert harness.git("status", "--porcelain") == ""


def test_ticks_are_united_beside_an_edit_of_the_line(harness: Harness) -> None:
    harness.tasks(TEXT)
    attempt(harness, "T002", writes({"theirs.txt": "theirs\n"}))
    harness.tasks_file.write_text(
        harness.tasks_file.read_text().replace("T002 [ASYNC] Write", "T002 Now")
    )
    harness.run("merge")
    assert harness.run("publish").code == 0
    assert "[X] T002 Now" in harness.remote_file(TASKS)


def test_a_conflict_is_reported_and_the_checkout_is_as_before(harness: Harness) -> None:
    harness.tasks(TEXT)
    attempt(harness, "T002", writes({"README.md": "# Theirs\n"}))
    harness.write("README.md", "# Mine\n")
    harness.write("more.txt", "more\n")
    harness.run("merge")
    before, theirs = work_files(harness.checkout), head_on_remote(harness)
    done = harness.run("publish")
    assert (done.code, done.error["code"]) == (1, "publish_conflict")
    assert "README.md" in done.error["message"]
    assert work_files(harness.checkout) == before
    assert not (harness.checkout / ".git/MERGE_HEAD").exists()
    assert head_on_remote(harness) == theirs
    assert harness.git("status", "--porcelain") == ""  # their work is committed, not lost
    command = done.error["hint"].split("`")[1].split()
    harness.git(*command[1:], check=False)
    harness.write("README.md", "# Both\n")
    harness.git("commit", "-qam", "Both")
    assert harness.run("publish").code == 0
    assert harness.remote_file("README.md") == "# Both"


def test_an_edit_of_tasks_on_both_sides_is_a_conflict(harness: Harness) -> None:
    harness.tasks(TEXT)
    other = harness.folder / "other"
    harness.git("clone", "-q", "-b", FEATURE, str(harness.remote), str(other))
    (other / TASKS).write_text("- [ ] T001 [SYNC] Theirs\n")
    harness.git("commit", "-qam", "Theirs", cwd=other)
    harness.git("push", "-q", cwd=other)
    harness.tasks("- [ ] T001 [SYNC] Mine\n", push=False)
    before = work_files(harness.checkout)
    done = harness.run("publish")
    assert (done.code, done.error["code"]) == (1, "publish_conflict")
    assert work_files(harness.checkout) == before


@pytest.mark.parametrize("how", ["merge", "cherry-pick", "revert", "rebase"])
def test_what_is_unfinished_is_finished_by_the_user(harness: Harness, how: str) -> None:
    harness.tasks(TEXT)
    harness.write("README.md", "# One\n")
    first = harness.commit("One")
    harness.write("README.md", "# Two\n")
    harness.commit("Two")
    harness.git("branch", "side", f"{FEATURE}~2")
    harness.git("worktree", "add", "-q", str(harness.folder / "side"), "side")
    (harness.folder / "side/README.md").write_text("# Side\n")
    harness.git("commit", "-qam", "Side", cwd=harness.folder / "side")
    harness.git(how, "side" if how != "revert" else first, check=False)
    before, refs = picture(harness.checkout), harness.remote_refs()
    done = harness.run("publish")
    assert (done.code, done.error["code"]) == (2, "merge_in_progress")
    assert (picture(harness.checkout), harness.remote_refs()) == (before, refs)


@pytest.mark.parametrize("name", ["pre-commit", "commit-msg", "prepare-commit-msg"])
def test_a_hook_of_the_user_s_that_fails_is_reported_in_a_sentence(
    harness: Harness, name: str
) -> None:
    harness.tasks(TEXT)
    harness.write("mine.txt", "mine\n")
    local_hook(harness, name, "echo checking; echo 'line 7 is too long' >&2; exit 1")
    refs, head = harness.remote_refs(), harness.git("rev-parse", "HEAD")
    done = harness.run("publish")
    assert (done.code, done.error["code"]) == (1, "git_failed")
    assert "line 7 is too long" in done.error["message"]
    assert "git commit" in done.error["hint"]
    assert (harness.checkout / "mine.txt").read_text() == "mine\n"
    assert (harness.remote_refs(), harness.git("rev-parse", "HEAD")) == (refs, head)


def test_a_hook_that_refuses_the_merge_is_no_conflict(harness: Harness) -> None:
    harness.tasks(TEXT)
    attempt(harness, "T002", writes({"theirs.txt": "theirs\n"}))
    harness.write("README.md", "# Mine\n")
    harness.run("merge")
    local_hook(harness, "pre-merge-commit", "echo 'no merges here' >&2; exit 1")
    done = harness.run("publish")
    assert (done.code, done.error["code"]) == (1, "git_failed")
    assert "no merges here" in done.error["message"]
    assert not (harness.checkout / ".git/MERGE_HEAD").exists()
    assert harness.git("status", "--porcelain") == ""


def test_settings_of_the_user_s_do_not_stop_the_union(harness: Harness) -> None:
    harness.tasks(TEXT)
    attempt(harness, "T002", writes({"theirs.txt": "theirs\n"}))
    tick(harness, "T001")
    harness.run("merge")
    for name, value in {
        "merge.ff": "only",
        "push.default": "nothing",
        "pull.rebase": "true",
    }.items():
        harness.git("config", name, value)
    assert harness.run("publish").code == 0
    assert harness.ticked() == {"T001", "T002"}


def test_a_push_that_is_refused_keeps_the_commit(harness: Harness) -> None:
    harness.tasks(TEXT)
    harness.write("mine.txt", "mine\n")
    hook(harness, "pre-receive", "echo 'The branch is protected' >&2; exit 1")
    refs = harness.remote_refs()
    done = harness.run("publish")
    assert (done.code, done.error["code"]) == (1, "push_rejected")
    assert "The branch is protected" in done.error["message"]
    assert harness.remote_refs() == refs
    assert harness.git("log", "-1", "--format=%s", "--name-only").split("\n")[-1] == "mine.txt"
    hook(harness, "pre-receive", "")
    assert harness.run("publish").code == 0
    assert harness.remote_file("mine.txt") == "mine"


def planned(harness: Harness, task: str) -> tuple[str, str]:
    (event,) = harness.run("plan").of("planned", task)
    return event["disposition"], event["reason"]


def test_async_work_waits_until_the_sync_work_it_rests_on_is_published(harness: Harness) -> None:
    harness.tasks(TEXT)
    assert planned(harness, "T002")[0] == "waiting"
    tick(harness, "T001")
    harness.write("mine.txt", "mine\n")
    for _ in ("uncommitted", "committed"):
        disposition, reason = planned(harness, "T002")
        assert disposition == "waiting"
        assert "sdlc-runner publish" in reason
        harness.commit("Mine", push=False)
    assert harness.run("spawn", "T002").error["code"] == "task_not_ready"
    harness.run("publish")
    assert planned(harness, "T002")[0] == "ready"


def test_later_work_on_a_file_of_a_published_task_is_missed(harness: Harness) -> None:
    harness.tasks(TEXT)
    tick(harness, "T001")
    harness.write("mine.txt", "mine\n")
    harness.run("publish")
    harness.write("mine.txt", "mine again\n")
    assert planned(harness, "T002")[0] == "waiting"
    harness.write("mine.txt", "mine\n")
    harness.write("unrelated.txt", "x\n")
    assert planned(harness, "T002")[0] == "ready"


def test_a_feature_without_tasks_yet(harness: Harness) -> None:
    harness.write("specs/001-demo/spec.md", "# Spec, second draft\n")
    done = harness.run("publish")
    assert done.code == 0
    assert "second draft" in harness.remote_file("specs/001-demo/spec.md")


def test_a_box_that_no_agent_has_earned_is_refused(harness: Harness) -> None:
    harness.tasks(TEXT)
    harness.agent("sys.exit(3)")
    tick(harness, "T001", "T002")
    before = harness.remote_refs()
    done = harness.run("publish")
    assert (done.code, done.error["code"], done.error["line"]) == (2, "ticked_by_hand", 2)
    assert "mark it [SYNC]" in done.error["hint"]
    assert harness.remote_refs() == before
    assert harness.git("status", "--porcelain").split() == ["M", TASKS]
    harness.tasks_file.write_text(harness.tasks_file.read_text().replace("[X] T002", "[ ] T002"))
    assert harness.run("publish").code == 0
    assert harness.run("spawn", "T002", "--follow").code == 1
    tick(harness, "T002")  # in the place of the agent that failed
    assert harness.run("publish").code == 0
    assert harness.ticked() == {"T001", "T002"}
