"""``merge``: what an attempt pushed arrives as it was, and a tick is one character."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support import harness as harnesses
from support.git.checkouts import remote_bytes, worktrees
from support.git.plain_git import attempt, writes
from support.harness import FEATURE, Harness

if TYPE_CHECKING:
    from pathlib import Path

TASKS = f"specs/{FEATURE}/tasks.md"
ONE = "- [ ] T001 [P] [ASYNC] Write `one.txt`\n"

TEXTS = {
    "crlf": b"# Tasks\r\n\r\n- [ ] T001 [ASYNC] One [ ]\r\n- [ ] T002 [SYNC] Two\r\n",
    "mixed": b"# Tasks\r\n\n- [ ] T001 [ASYNC] One\r\n- [ ] T002 [SYNC] Two\n",
    "bom": b"\xef\xbb\xbf- [ ] T001 [ASYNC] One\n",
    "no final newline": b"- [x] T000 [SYNC] Zero\n- [ ] T001 [ASYNC] One",
    "trailing spaces": b"- [ ] T001 [ASYNC] One   \n  \n\t\n\n\n",
    "tabs": b"- [ ]\tT001\t[ASYNC]\tOne\n\t- [ ] a sub-bullet\n",
    "odd bullets": b"# Tasks\n\n* [ ] T002 [SYNC] Two\n\n   + [ ] T001 [ASYNC] One\n",
    "numbered": b"1. [ ] **T001** [ASYNC] One\n",
    "boxes elsewhere": b"[ ] and - [ ] T009\n\n```\n- [ ] T001 [ASYNC] One\n```\n\n"
    b"<!-- - [ ] T001 [ASYNC] One -->\n- [ ] T001 [ASYNC] One [ ] - [ ] T001\n"
    b"  - [ ] look at T001 again\n",
    "form feed and line separators": "- [ ] T000 [SYNC] a\x0cb\u2028c\x85d\x1ce\n"
    "- [ ] T001 [ASYNC] One\n".encode(),
    "wide characters": "# 任務 🚀\n\n- [ ] T000 [SYNC] é\u0301\n- [ ] T001 [ASYNC] Ünï\n".encode(),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_tick_is_one_character(harness: Harness, name: str) -> None:
    old = TEXTS[name]
    harness.git("config", "core.autocrlf", "false")
    harness.tasks(old)
    attempt(harness, "T001", writes({"one.txt": "1\n"}))
    done = harness.run("merge")
    assert done.code == 0, done.stdout
    new = harness.tasks_file.read_bytes()  # brought along
    assert remote_bytes(harness, TASKS, FEATURE) == new
    differing = [at for at, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]
    assert len(differing) == 1
    at = differing[0]
    assert new[at - 1 : at + 2] == b"[X]"
    line = new[new.rfind(b"\n", 0, at) + 1 :].splitlines()[0]
    assert b"T001" in line
    assert b"ASYNC" in line
    assert done.of("ticked")[0]["line"] == old.count(b"\n", 0, at) + 1


def test_a_filter_of_the_repository_does_not_rewrite_the_file(harness: Harness) -> None:
    harness.write(".gitattributes", "*.md text eol=crlf\n")
    harness.tasks(b"- [ ] T001 [ASYNC] One\r\n- [ ] T002 [SYNC] Two\r\n")
    attempt(harness, "T001", writes({"one.txt": "1\n"}))
    before = harness.git("ls-tree", "-r", FEATURE, cwd=harness.remote).splitlines()
    assert harness.run("merge").code == 0
    after = harness.git("ls-tree", "-r", FEATURE, cwd=harness.remote).splitlines()
    assert [line.split("\t")[1] for line in set(before) - set(after)] == [TASKS]
    assert harness.git("status", "--porcelain") == ""
    assert harness.tasks_file.read_bytes() == b"- [X] T001 [ASYNC] One\r\n- [ ] T002 [SYNC] Two\r\n"


def test_line_endings_that_an_attribute_would_change_now_are_kept(harness: Harness) -> None:
    old = b"- [ ] T001 [ASYNC] One\r\n- [ ] T002 [SYNC] Two\r\n"
    harness.tasks(old)
    harness.write(".gitattributes", "*.md text\n")
    harness.git("add", ".gitattributes")
    harness.git("commit", "-qm", "Attributes")
    harness.git("push", "-q", "origin", "HEAD")
    attempt(harness, "T001", writes({"one.txt": "1\n"}))
    done = harness.run("merge")
    assert done.code == 0, done.stdout
    assert remote_bytes(harness, TASKS, FEATURE) == old.replace(b"[ ] T001", b"[X] T001")


def test_an_id_that_two_lines_carry_by_now_stops_only_its_own_tick(harness: Harness) -> None:
    harness.tasks(f"{ONE}- [ ] T002 [P] [ASYNC] Write `two.txt`\n")
    for task in ("T001", "T002"):
        attempt(harness, task, writes({f"{task}.txt": task}))
    harness.tasks(f"{ONE}{ONE}- [ ] T002 [P] [ASYNC] Write `two.txt`\n")
    done = harness.run("merge")
    assert harness.ticked() == {"T002"}
    assert [event["task"] for event in done.of("merged")] == ["T001", "T002"]
    assert [event["code"] for event in done.of("warning")] == ["duplicate_task"]
    assert done.code == 1


def test_every_kind_of_entry_survives(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.write("old.txt", "".join(f"line {number}\n" for number in range(50)))
    harness.write("gone.txt", "gone\n")
    harness.write("plain.sh", "#!/bin/sh\n")
    harness.commit("More")

    def change(work: Path) -> None:
        (work / "old.txt").rename(work / "moved.txt")
        (work / "gone.txt").unlink()
        (work / "plain.sh").chmod(0o755)
        (work / "link").symlink_to("nowhere/at all")
        (work / "binary").write_bytes(bytes(range(256)) * 40)
        (work / "ünï cödé\ttab.txt").write_text("x")
        (work / "-rf").write_text("x")
        harness.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module", cwd=work)
        (work / "module").mkdir()

    made = attempt(harness, "T001", change)
    done = harness.run("merge")
    assert done.code == 0
    wanted = harness.git("ls-tree", "-r", "-z", made.head, cwd=harness.remote).split("\0")
    there = harness.git("ls-tree", "-r", "-z", FEATURE, cwd=harness.remote).split("\0")
    assert [each for each in there if TASKS not in each] == [e for e in wanted if TASKS not in e]
    for part in ("100755", "120000", "160000 commit"):
        assert any(each.startswith(part) for each in there)


def test_names_that_are_not_utf8_are_reported(harness: Harness) -> None:
    harness.tasks(f"{ONE}- [ ] T002 [P] [ASYNC] Write `two.txt`\n")
    name = os.fsdecode(b"caf\xe9.txt")
    for task in ("T001", "T002"):
        attempt(harness, task, writes({name: task}))
    done = harness.run("merge")
    assert done.of("conflict")[0]["files"] == ["caf?.txt"]
    assert harness.ticked() == {"T001"}


def failing_hooks(harness: Harness) -> None:
    for name in ("pre-commit", "commit-msg", "pre-merge-commit", "prepare-commit-msg"):
        path = harness.checkout / ".git/hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    for name in ("post-checkout", "post-commit", "pre-push"):
        path = harness.checkout / ".git/hooks" / name
        path.write_text(f"#!/bin/sh\ntouch '{harness.folder}/hook-ran'\nexit 1\n")
        path.chmod(0o755)


def odd_settings(harness: Harness) -> None:
    for name, value in {
        "commit.gpgSign": "true",
        "gpg.program": "false",
        "merge.ff": "only",
        "merge.verifySignatures": "true",
        "core.sparseCheckout": "true",
        "core.fsmonitor": "false",
        "push.default": "nothing",
        "submodule.recurse": "true",
        "diff.noprefix": "true",
        "core.quotePath": "true",
        "user.useConfigOnly": "true",
    }.items():
        harness.git("config", name, value)


def no_identity(harness: Harness) -> None:
    (harness.folder / "home/.gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")


def half_an_identity(harness: Harness) -> None:
    text = "[user]\n\tuseConfigOnly = true\n\temail = user@localhost\n"
    (harness.folder / "home/.gitconfig").write_text(text)


def worktree_on_a_drive_that_is_away(harness: Harness) -> None:
    harness.git("worktree", "add", "-q", "-b", "away", str(harness.folder / "away"))
    (harness.folder / "away").rename(harness.folder / "unplugged")


@pytest.mark.parametrize(
    "arrange",
    [failing_hooks, odd_settings, no_identity, half_an_identity, worktree_on_a_drive_that_is_away],
)
def test_the_user_s_own_ways_do_not_stop_it(harness: Harness, arrange: object) -> None:
    harness.tasks(ONE)
    attempt(harness, "T001", writes({"one.txt": "1\n"}))
    assert callable(arrange)
    arrange(harness)
    known = worktrees(harness)
    done = harness.run("merge")
    assert done.code == 0, done.stdout
    assert harness.ticked() == {"T001"}
    assert worktrees(harness) == known
    assert not (harness.folder / "hook-ran").exists()


def test_commits_as_the_user_where_git_knows_them(harness: Harness) -> None:
    harness.tasks(ONE)
    attempt(harness, "T001", writes({"one.txt": "1\n"}))
    no_identity(harness)
    names = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    harness.env |= {f"GIT_{name}": "ci@localhost" for name in names}
    harness.run("merge")
    shown = harness.git("log", "-1", "--format=%an %ae %cn %ce", FEATURE, cwd=harness.remote)
    assert shown.split() == ["ci@localhost"] * 4


@pytest.mark.parametrize("shape", ["linked", "shallow"])
def test_works_in_a_linked_or_shallow_checkout_with_an_odd_path(tmp_path: Path, shape: str) -> None:
    folder = tmp_path / "with späce 'quote' $(x)"
    folder.mkdir()
    harness = harnesses.create(folder)
    harness.tasks(ONE)
    attempt(harness, "T001", writes({"one.txt": "1\n"}))
    other = folder / "other checkout"
    if shape == "linked":
        harness.git("switch", "-q", "main")
        harness.git("worktree", "add", "-q", str(other), FEATURE)
    else:
        harness.git("clone", "-q", "--depth=1", "-b", FEATURE, harness.remote.as_uri(), str(other))
    done = harness.run("merge", cwd=other)
    assert done.code == 0, done.stdout
    assert (other / "one.txt").read_text() == "1\n"
    assert harness.ticked() == {"T001"}
    assert worktrees(harness) == 1 + (shape == "linked")


def test_line_ends_that_contradict_the_attributes_stop_nothing(harness: Harness) -> None:
    harness.write("windows.txt", b"one\r\ntwo\r\n")
    harness.commit("Line ends as they are")
    harness.write(".gitattributes", "*.txt text\n")
    harness.git("add", ".gitattributes")
    harness.git("commit", "--quiet", "-m", "Say otherwise")
    harness.tasks("## Phase 1: Setup\n- [ ] T001 [ASYNC] Write T001.txt\n", push=False)
    harness.git("add", "specs")
    harness.git("commit", "--quiet", "-m", "Plan")
    harness.git("push", "--quiet", "origin", "HEAD")
    harness.agent("p = pathlib.Path('windows.txt'); p.write_bytes(p.read_bytes() + b'three\\r\\n')")
    assert harness.run("run").code == 0
    assert harness.ticked() == {"T001"}
    assert "three" in harness.remote_file("windows.txt")
