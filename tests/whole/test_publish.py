"""``publish``: the user's work reaches the feature branch, united with what was merged there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.git.checkouts import hook, picture, work_files
from support.git.plain_git import attempt, writes
from support.harness import FEATURE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.harness import Rig

TASKS = f"specs/{FEATURE}/tasks.md"
TEXT = """\
    - [ ] T001 [SYNC] Write `mine.txt`
    - [ ] T002 [ASYNC] Write `theirs.txt`
    - [ ] T003 [SYNC] Write more
    """


@pytest.fixture(autouse=True)
def _main_is_never_touched(rig: Rig) -> Iterator[None]:
    before = rig.remote_refs()["refs/heads/main"]
    yield
    assert rig.remote_refs()["refs/heads/main"] == before


def tick(rig: Rig, *tasks: str) -> None:
    text = rig.tasks_file.read_text()
    for task in tasks:
        text = text.replace(f"[ ] {task}", f"[X] {task}")
    rig.tasks_file.write_text(text)


def local_hook(rig: Rig, name: str, script: str) -> None:
    path = rig.checkout / ".git/hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def head_on_remote(rig: Rig) -> str | None:
    return rig.remote_refs().get(f"refs/heads/{FEATURE}")


def test_commits_and_pushes_all_of_it(rig: Rig) -> None:
    rig.tasks(TEXT)
    rig.write("old.txt", "old\n")
    rig.commit("Old", push=False)
    tick(rig, "T001", "T003")
    rig.write("new/mine.txt", "mine\n")
    rig.write("staged.txt", "staged\n")
    rig.git("add", "staged.txt")
    (rig.checkout / "old.txt").unlink()
    done = rig.run("publish")
    assert done.code == 0, done.stdout
    assert rig.git("status", "--porcelain") == ""
    assert head_on_remote(rig) == rig.git("rev-parse", "HEAD") == done.of("published")[0]["commit"]
    assert done.of("published")[0]["files"] == sorted(
        ["new/mine.txt", "old.txt", "staged.txt", TASKS], key=done.of("published")[0]["files"].index
    )
    assert rig.remote_file("new/mine.txt") == "mine"
    assert rig.git("log", "-1", "--format=%s") == "T001, T003: SYNC work"


def test_takes_the_user_s_words(rig: Rig) -> None:
    rig.tasks(TEXT)
    rig.write("mine.txt", "mine\n")
    assert rig.run("publish", "-m", "Mine\n\nAll of it").code == 0
    assert rig.git("log", "-1", "--format=%B").strip() == "Mine\n\nAll of it"


def test_nothing_to_publish_is_well(rig: Rig) -> None:
    rig.tasks(TEXT)
    before, refs = picture(rig.checkout), rig.remote_refs()
    done = rig.run("publish")
    assert (done.code, [event["type"] for event in done.events]) == (0, ["summary"])
    assert (picture(rig.checkout), rig.remote_refs()) == (before, refs)


def test_a_branch_that_the_remote_does_not_have_is_made(rig: Rig) -> None:
    rig.tasks(TEXT, push=False)
    rig.git("push", "-q", "origin", f":refs/heads/{FEATURE}")
    assert head_on_remote(rig) is None
    assert rig.run("publish").code == 0
    assert head_on_remote(rig) == rig.git("rev-parse", "HEAD")


@pytest.mark.parametrize("setting", [(), ("--set", "default_branch=elsewhere")])
def test_refuses_on_the_default_branch(rig: Rig, setting: tuple[str, ...]) -> None:
    rig.tasks(TEXT)
    rig.git("switch", "-q", "main")
    rig.git("merge", "-q", FEATURE)
    rig.write("mine.txt", "mine\n")
    before = picture(rig.checkout)
    done = rig.run("publish", *setting)
    assert (done.code, done.error["code"]) == (2, "on_default_branch")
    assert "git switch -c" in done.error["hint"]
    assert picture(rig.checkout) == before


def test_ticks_of_both_sides_are_kept(rig: Rig) -> None:
    rig.tasks(TEXT)
    attempt(rig, "T002", writes({"theirs.txt": "theirs\n"}))
    tick(rig, "T001")
    rig.write("mine.txt", "mine\n")
    rig.run("merge")
    assert rig.ticked() == {"T002"}
    assert rig.run("publish").code == 0
    assert rig.ticked() == {"T001", "T002"}
    assert rig.tasks_file.read_text().count("[X]") == 2
    assert (rig.checkout / "theirs.txt").exists()
    assert rig.git("status", "--porcelain") == ""


def test_ticks_are_united_beside_an_edit_of_the_line(rig: Rig) -> None:
    rig.tasks(TEXT)
    attempt(rig, "T002", writes({"theirs.txt": "theirs\n"}))
    rig.tasks_file.write_text(rig.tasks_file.read_text().replace("T002 [ASYNC] Write", "T002 Now"))
    rig.run("merge")
    assert rig.run("publish").code == 0
    assert "[X] T002 Now" in rig.remote_file(TASKS)


def test_a_conflict_is_told_and_the_checkout_is_as_before(rig: Rig) -> None:
    rig.tasks(TEXT)
    attempt(rig, "T002", writes({"README.md": "# Theirs\n"}))
    rig.write("README.md", "# Mine\n")
    rig.write("more.txt", "more\n")
    rig.run("merge")
    before, theirs = work_files(rig.checkout), head_on_remote(rig)
    done = rig.run("publish")
    assert (done.code, done.error["code"]) == (1, "publish_conflict")
    assert "README.md" in done.error["message"]
    assert work_files(rig.checkout) == before
    assert not (rig.checkout / ".git/MERGE_HEAD").exists()
    assert head_on_remote(rig) == theirs
    assert rig.git("status", "--porcelain") == ""  # their work is committed, not lost
    command = done.error["hint"].split("`")[1].split()
    rig.git(*command[1:], check=False)
    rig.write("README.md", "# Both\n")
    rig.git("commit", "-qam", "Both")
    assert rig.run("publish").code == 0
    assert rig.remote_file("README.md") == "# Both"


def test_an_edit_of_tasks_on_both_sides_is_a_conflict(rig: Rig) -> None:
    rig.tasks(TEXT)
    other = rig.folder / "other"
    rig.git("clone", "-q", "-b", FEATURE, str(rig.remote), str(other))
    (other / TASKS).write_text("- [ ] T001 [SYNC] Theirs\n")
    rig.git("commit", "-qam", "Theirs", cwd=other)
    rig.git("push", "-q", cwd=other)
    rig.tasks("- [ ] T001 [SYNC] Mine\n", push=False)
    before = work_files(rig.checkout)
    done = rig.run("publish")
    assert (done.code, done.error["code"]) == (1, "publish_conflict")
    assert work_files(rig.checkout) == before


@pytest.mark.parametrize("how", ["merge", "cherry-pick", "revert", "rebase"])
def test_what_is_unfinished_is_finished_by_the_user(rig: Rig, how: str) -> None:
    rig.tasks(TEXT)
    rig.write("README.md", "# One\n")
    first = rig.commit("One")
    rig.write("README.md", "# Two\n")
    rig.commit("Two")
    rig.git("branch", "side", f"{FEATURE}~2")
    rig.git("worktree", "add", "-q", str(rig.folder / "side"), "side")
    (rig.folder / "side/README.md").write_text("# Side\n")
    rig.git("commit", "-qam", "Side", cwd=rig.folder / "side")
    rig.git(how, "side" if how != "revert" else first, check=False)
    before, refs = picture(rig.checkout), rig.remote_refs()
    done = rig.run("publish")
    assert (done.code, done.error["code"]) == (2, "merge_in_progress")
    assert (picture(rig.checkout), rig.remote_refs()) == (before, refs)


@pytest.mark.parametrize("name", ["pre-commit", "commit-msg", "prepare-commit-msg"])
def test_a_hook_of_the_user_s_that_fails_is_told_in_a_sentence(rig: Rig, name: str) -> None:
    rig.tasks(TEXT)
    rig.write("mine.txt", "mine\n")
    local_hook(rig, name, "echo checking; echo 'line 7 is too long' >&2; exit 1")
    refs, head = rig.remote_refs(), rig.git("rev-parse", "HEAD")
    done = rig.run("publish")
    assert (done.code, done.error["code"]) == (1, "git_failed")
    assert "line 7 is too long" in done.error["message"]
    assert "git commit" in done.error["hint"]
    assert (rig.checkout / "mine.txt").read_text() == "mine\n"
    assert (rig.remote_refs(), rig.git("rev-parse", "HEAD")) == (refs, head)


def test_a_hook_that_refuses_the_merge_is_no_conflict(rig: Rig) -> None:
    rig.tasks(TEXT)
    attempt(rig, "T002", writes({"theirs.txt": "theirs\n"}))
    rig.write("README.md", "# Mine\n")
    rig.run("merge")
    local_hook(rig, "pre-merge-commit", "echo 'no merges here' >&2; exit 1")
    done = rig.run("publish")
    assert (done.code, done.error["code"]) == (1, "git_failed")
    assert "no merges here" in done.error["message"]
    assert not (rig.checkout / ".git/MERGE_HEAD").exists()
    assert rig.git("status", "--porcelain") == ""


def test_settings_of_the_user_s_do_not_stop_the_union(rig: Rig) -> None:
    rig.tasks(TEXT)
    attempt(rig, "T002", writes({"theirs.txt": "theirs\n"}))
    tick(rig, "T001")
    rig.run("merge")
    for name, value in {
        "merge.ff": "only",
        "push.default": "nothing",
        "pull.rebase": "true",
    }.items():
        rig.git("config", name, value)
    assert rig.run("publish").code == 0
    assert rig.ticked() == {"T001", "T002"}


def test_a_push_that_is_refused_keeps_the_commit(rig: Rig) -> None:
    rig.tasks(TEXT)
    rig.write("mine.txt", "mine\n")
    hook(rig, "pre-receive", "echo 'The branch is protected' >&2; exit 1")
    refs = rig.remote_refs()
    done = rig.run("publish")
    assert (done.code, done.error["code"]) == (1, "push_rejected")
    assert "The branch is protected" in done.error["message"]
    assert rig.remote_refs() == refs
    assert rig.git("log", "-1", "--format=%s", "--name-only").split("\n")[-1] == "mine.txt"
    hook(rig, "pre-receive", "")
    assert rig.run("publish").code == 0
    assert rig.remote_file("mine.txt") == "mine"


def planned(rig: Rig, task: str) -> tuple[str, str]:
    (event,) = rig.run("plan").of("planned", task)
    return event["disposition"], event["reason"]


def test_async_work_waits_until_the_sync_work_it_rests_on_is_published(rig: Rig) -> None:
    rig.tasks(TEXT)
    assert planned(rig, "T002")[0] == "waiting"
    tick(rig, "T001")
    rig.write("mine.txt", "mine\n")
    for _ in ("uncommitted", "committed"):
        disposition, reason = planned(rig, "T002")
        assert disposition == "waiting"
        assert "sdlc-runner publish" in reason
        rig.commit("Mine", push=False)
    assert rig.run("spawn", "T002").error["code"] == "task_not_ready"
    rig.run("publish")
    assert planned(rig, "T002")[0] == "ready"


def test_later_work_on_a_file_of_a_published_task_is_missed(rig: Rig) -> None:
    rig.tasks(TEXT)
    tick(rig, "T001")
    rig.write("mine.txt", "mine\n")
    rig.run("publish")
    rig.write("mine.txt", "mine again\n")
    assert planned(rig, "T002")[0] == "waiting"
    rig.write("mine.txt", "mine\n")
    rig.write("unrelated.txt", "x\n")
    assert planned(rig, "T002")[0] == "ready"


def test_a_feature_without_tasks_yet(rig: Rig) -> None:
    rig.write("specs/001-demo/spec.md", "# Spec, second draft\n")
    done = rig.run("publish")
    assert done.code == 0
    assert "second draft" in rig.remote_file("specs/001-demo/spec.md")


def test_a_box_that_no_agent_has_earned_is_refused(rig: Rig) -> None:
    rig.tasks(TEXT)
    rig.agent("sys.exit(3)")
    tick(rig, "T001", "T002")
    before = rig.remote_refs()
    done = rig.run("publish")
    assert (done.code, done.error["code"], done.error["line"]) == (2, "ticked_by_hand", 2)
    assert "mark it [SYNC]" in done.error["hint"]
    assert rig.remote_refs() == before
    assert rig.git("status", "--porcelain").split() == ["M", TASKS]
    rig.tasks_file.write_text(rig.tasks_file.read_text().replace("[X] T002", "[ ] T002"))
    assert rig.run("publish").code == 0
    assert rig.run("spawn", "T002", "--follow").code == 1
    tick(rig, "T002")  # in the place of the agent that failed
    assert rig.run("publish").code == 0
    assert rig.ticked() == {"T001", "T002"}
