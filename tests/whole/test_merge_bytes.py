"""``merge``: what an attempt pushed arrives as it was, and a tick is one character."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support import harness as rigs
from support.git.checkouts import remote_bytes, worktrees
from support.git.plain_git import attempt, writes
from support.harness import FEATURE, Rig

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
def test_a_tick_is_one_character(rig: Rig, name: str) -> None:
    old = TEXTS[name]
    rig.git("config", "core.autocrlf", "false")
    rig.tasks(old)
    attempt(rig, "T001", writes({"one.txt": "1\n"}))
    done = rig.run("merge")
    assert done.code == 0, done.stdout
    new = rig.tasks_file.read_bytes()  # brought along
    assert remote_bytes(rig, TASKS, FEATURE) == new
    differing = [at for at, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]
    assert len(differing) == 1
    at = differing[0]
    assert new[at - 1 : at + 2] == b"[X]"
    line = new[new.rfind(b"\n", 0, at) + 1 :].splitlines()[0]
    assert b"T001" in line
    assert b"ASYNC" in line
    assert done.of("ticked")[0]["line"] == old.count(b"\n", 0, at) + 1


def test_a_filter_of_the_repository_does_not_rewrite_the_file(rig: Rig) -> None:
    rig.write(".gitattributes", "*.md text eol=crlf\n")
    rig.tasks(b"- [ ] T001 [ASYNC] One\r\n- [ ] T002 [SYNC] Two\r\n")
    attempt(rig, "T001", writes({"one.txt": "1\n"}))
    before = rig.git("ls-tree", "-r", FEATURE, cwd=rig.remote).splitlines()
    assert rig.run("merge").code == 0
    after = rig.git("ls-tree", "-r", FEATURE, cwd=rig.remote).splitlines()
    assert [line.split("\t")[1] for line in set(before) - set(after)] == [TASKS]
    assert rig.git("status", "--porcelain") == ""
    assert rig.tasks_file.read_bytes() == b"- [X] T001 [ASYNC] One\r\n- [ ] T002 [SYNC] Two\r\n"


def test_line_endings_that_an_attribute_would_change_now_are_kept(rig: Rig) -> None:
    old = b"- [ ] T001 [ASYNC] One\r\n- [ ] T002 [SYNC] Two\r\n"
    rig.tasks(old)
    rig.write(".gitattributes", "*.md text\n")
    rig.git("add", ".gitattributes")
    rig.git("commit", "-qm", "Attributes")
    rig.git("push", "-q", "origin", "HEAD")
    attempt(rig, "T001", writes({"one.txt": "1\n"}))
    done = rig.run("merge")
    assert done.code == 0, done.stdout
    assert remote_bytes(rig, TASKS, FEATURE) == old.replace(b"[ ] T001", b"[X] T001")


def test_an_id_that_two_lines_carry_by_now_stops_only_its_own_tick(rig: Rig) -> None:
    rig.tasks(f"{ONE}- [ ] T002 [P] [ASYNC] Write `two.txt`\n")
    for task in ("T001", "T002"):
        attempt(rig, task, writes({f"{task}.txt": task}))
    rig.tasks(f"{ONE}{ONE}- [ ] T002 [P] [ASYNC] Write `two.txt`\n")
    done = rig.run("merge")
    assert rig.ticked() == {"T002"}
    assert [event["task"] for event in done.of("merged")] == ["T001", "T002"]
    assert [event["code"] for event in done.of("warning")] == ["duplicate_task"]
    assert done.code == 1


def test_every_kind_of_entry_survives(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.write("old.txt", "".join(f"line {number}\n" for number in range(50)))
    rig.write("gone.txt", "gone\n")
    rig.write("plain.sh", "#!/bin/sh\n")
    rig.commit("More")

    def change(work: Path) -> None:
        (work / "old.txt").rename(work / "moved.txt")
        (work / "gone.txt").unlink()
        (work / "plain.sh").chmod(0o755)
        (work / "link").symlink_to("nowhere/at all")
        (work / "binary").write_bytes(bytes(range(256)) * 40)
        (work / "ünï cödé\ttab.txt").write_text("x")
        (work / "-rf").write_text("x")
        rig.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module", cwd=work)
        (work / "module").mkdir()

    made = attempt(rig, "T001", change)
    done = rig.run("merge")
    assert done.code == 0
    wanted = rig.git("ls-tree", "-r", "-z", made.head, cwd=rig.remote).split("\0")
    there = rig.git("ls-tree", "-r", "-z", FEATURE, cwd=rig.remote).split("\0")
    assert [each for each in there if TASKS not in each] == [e for e in wanted if TASKS not in e]
    for part in ("100755", "120000", "160000 commit"):
        assert any(each.startswith(part) for each in there)


def test_names_that_are_not_utf8_are_told(rig: Rig) -> None:
    rig.tasks(f"{ONE}- [ ] T002 [P] [ASYNC] Write `two.txt`\n")
    name = os.fsdecode(b"caf\xe9.txt")
    for task in ("T001", "T002"):
        attempt(rig, task, writes({name: task}))
    done = rig.run("merge")
    assert done.of("conflict")[0]["files"] == ["caf?.txt"]
    assert rig.ticked() == {"T001"}


def failing_hooks(rig: Rig) -> None:
    for name in ("pre-commit", "commit-msg", "pre-merge-commit", "prepare-commit-msg"):
        path = rig.checkout / ".git/hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    for name in ("post-checkout", "post-commit", "pre-push"):
        path = rig.checkout / ".git/hooks" / name
        path.write_text(f"#!/bin/sh\ntouch '{rig.folder}/hook-ran'\nexit 1\n")
        path.chmod(0o755)


def odd_settings(rig: Rig) -> None:
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
        rig.git("config", name, value)


def no_identity(rig: Rig) -> None:
    (rig.folder / "home/.gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")


def half_an_identity(rig: Rig) -> None:
    text = "[user]\n\tuseConfigOnly = true\n\temail = user@localhost\n"
    (rig.folder / "home/.gitconfig").write_text(text)


def worktree_on_a_drive_that_is_away(rig: Rig) -> None:
    rig.git("worktree", "add", "-q", "-b", "away", str(rig.folder / "away"))
    (rig.folder / "away").rename(rig.folder / "unplugged")


@pytest.mark.parametrize(
    "arrange",
    [failing_hooks, odd_settings, no_identity, half_an_identity, worktree_on_a_drive_that_is_away],
)
def test_the_user_s_own_ways_do_not_stop_it(rig: Rig, arrange: object) -> None:
    rig.tasks(ONE)
    attempt(rig, "T001", writes({"one.txt": "1\n"}))
    assert callable(arrange)
    arrange(rig)
    known = worktrees(rig)
    done = rig.run("merge")
    assert done.code == 0, done.stdout
    assert rig.ticked() == {"T001"}
    assert worktrees(rig) == known
    assert not (rig.folder / "hook-ran").exists()


def test_commits_as_the_user_where_git_knows_them(rig: Rig) -> None:
    rig.tasks(ONE)
    attempt(rig, "T001", writes({"one.txt": "1\n"}))
    no_identity(rig)
    names = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    rig.env |= {f"GIT_{name}": "ci@localhost" for name in names}
    rig.run("merge")
    shown = rig.git("log", "-1", "--format=%an %ae %cn %ce", FEATURE, cwd=rig.remote)
    assert shown.split() == ["ci@localhost"] * 4


@pytest.mark.parametrize("shape", ["linked", "shallow"])
def test_works_in_a_linked_or_shallow_checkout_with_an_odd_path(tmp_path: Path, shape: str) -> None:
    folder = tmp_path / "with späce 'quote' $(x)"
    folder.mkdir()
    rig = rigs.create(folder)
    rig.tasks(ONE)
    attempt(rig, "T001", writes({"one.txt": "1\n"}))
    other = folder / "other checkout"
    if shape == "linked":
        rig.git("switch", "-q", "main")
        rig.git("worktree", "add", "-q", str(other), FEATURE)
    else:
        rig.git("clone", "-q", "--depth=1", "-b", FEATURE, rig.remote.as_uri(), str(other))
    done = rig.run("merge", cwd=other)
    assert done.code == 0, done.stdout
    assert (other / "one.txt").read_text() == "1\n"
    assert rig.ticked() == {"T001"}
    assert worktrees(rig) == 1 + (shape == "linked")


def test_line_ends_that_contradict_the_attributes_stop_nothing(rig: Rig) -> None:
    rig.write("windows.txt", b"one\r\ntwo\r\n")
    rig.commit("Line ends as they are")
    rig.write(".gitattributes", "*.txt text\n")
    rig.git("add", ".gitattributes")
    rig.git("commit", "--quiet", "-m", "Say otherwise")
    rig.tasks("## Phase 1: Setup\n- [ ] T001 [ASYNC] Write T001.txt\n", push=False)
    rig.git("add", "specs")
    rig.git("commit", "--quiet", "-m", "Plan")
    rig.git("push", "--quiet", "origin", "HEAD")
    rig.agent("p = pathlib.Path('windows.txt'); p.write_bytes(p.read_bytes() + b'three\\r\\n')")
    assert rig.run("run").code == 0
    assert rig.ticked() == {"T001"}
    assert "three" in rig.remote_file("windows.txt")
