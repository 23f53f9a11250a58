"""Whatever is wrong is said in one sentence, with a code, a remedy and an exit code."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from support.git.checkouts import hook, picture
from support.harness import FEATURE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.harness import Event, Harness, Result

TASKS = "- [ ] T001 [P] [ASYNC] Write `one.txt`\n- [x] T002 [SYNC] Done\n- [ ] T003 [SYNC] Mine\n"
SPAWN = ("spawn", "T001", "--follow")


@dataclass(frozen=True)
class Case:
    """What is wrong, what is called, and what it must say."""

    code: str
    exit: int
    arrange: Callable[[Harness], object]
    argv: tuple[str, ...] = SPAWN


def tasks(text: str | bytes) -> Callable[[Harness], object]:
    return lambda harness: harness.tasks(text)


def no_repository(harness: Harness) -> None:
    (harness.checkout / ".git").rename(harness.folder / "put-away")


def unreachable(harness: Harness) -> None:
    harness.remote.rename(harness.folder / "put-away.git")


def unreachable_host(harness: Harness) -> None:
    harness.git("remote", "set-url", "origin", "https://user:hunter2@localhost:9/x.git")


def not_pushed(harness: Harness) -> None:
    harness.git("push", "-q", "origin", f":refs/heads/{FEATURE}")


def spec_not_committed(harness: Harness) -> None:
    harness.git("rm", "-q", "--cached", f"specs/{FEATURE}/spec.md")
    harness.git("commit", "-qm", "Without")
    harness.git("push", "-q", "origin", "HEAD")


def on_default(harness: Harness) -> None:
    harness.git("switch", "-q", "main")
    harness.git("merge", "-q", FEATURE)
    harness.git("push", "-q", "origin", "main")


def default_cannot_be_told(harness: Harness) -> None:
    (harness.remote / "HEAD").write_text("ref: refs/heads/unborn\n")


def feature_branch(name: str, prefix: str) -> Callable[[Harness], object]:
    def arrange(harness: Harness) -> None:
        harness.git("switch", "-q", "-c", name)
        harness.git("push", "-q", "origin", name)
        harness.env["SDLC_RUNNER_BRANCH_PREFIX"] = prefix

    return arrange


def no_tasks_file(harness: Harness) -> None:
    harness.tasks_file.unlink()


def without(program: str) -> Callable[[Harness], object]:
    """A PATH with git (or nothing) in it and without the program."""

    def arrange(harness: Harness) -> None:
        folder = harness.folder / "bin"
        folder.mkdir()
        for name in {"git", "sh"} - {program}:
            (folder / name).symlink_to(str(shutil.which(name)))
        harness.env["PATH"] = str(folder)
        if program == "opencode":
            del harness.env["SDLC_RUNNER_AGENT_COMMAND"]

    return arrange


def rejected(name: str, script: str) -> Callable[[Harness], object]:
    return lambda harness: hook(harness, name, script)


FOR_WORK = f'case "$1" in refs/heads/sdlc-runner/{FEATURE}/*) '
PROTECTED = f"{FOR_WORK}echo 'GH006: Protected branch update failed' >&2; exit 1;; esac"

CASES = {
    "no repository": Case("no_repository", 2, no_repository),
    "no repository, plan": Case("no_repository", 2, no_repository, ("plan",)),
    "no remote": Case("no_remote", 2, lambda harness: harness.git("remote", "remove", "origin")),
    "remote unreachable": Case("remote_unreachable", 3, unreachable),
    "host unreachable": Case("remote_unreachable", 3, unreachable_host),
    "branch not pushed": Case("feature_not_pushed", 2, not_pushed),
    "branch not pushed, run": Case("feature_not_pushed", 2, not_pushed, ("run",)),
    "branch not pushed, merge": Case("feature_not_pushed", 2, not_pushed, ("merge",)),
    "spec not committed": Case("spec_not_pushed", 2, spec_not_committed),
    "detached": Case("detached_head", 2, lambda harness: harness.git("switch", "-q", "--detach")),
    "on the default branch": Case("on_default_branch", 2, on_default),
    "on the default branch, run": Case("on_default_branch", 2, on_default, ("run",)),
    "on the default branch, merge": Case("on_default_branch", 2, on_default, ("merge",)),
    "default branch unknown": Case("on_default_branch", 2, default_cannot_be_told),
    "default branch set otherwise": Case(
        "on_default_branch", 2, on_default, (*SPAWN, "--set", "default_branch=elsewhere")
    ),
    "clash above": Case("branch_clash", 2, feature_branch("specs/001-demo", "specs")),
    "clash below": Case("branch_clash", 2, feature_branch("x/001-demo/T001-1/y", "x")),
    "clash with a branch named as the prefix": Case("branch_clash", 2, feature_branch("x", "x")),
    "tasks missing": Case("no_tasks_file", 2, no_tasks_file),
    "tasks empty": Case("no_tasks", 2, tasks(b"")),
    "tasks without a task": Case("no_tasks", 2, tasks("# Tasks\n\nNone yet.\n")),
    "tasks of 10 MB": Case("file_too_large", 2, tasks(b"- [ ] T001 [ASYNC] x\n" * 500_000)),
    "tasks not UTF-8": Case("not_utf8", 2, tasks(b"- [ ] T001 [ASYNC] caf\xe9\n")),
    "tasks in UTF-16": Case("not_utf8", 2, tasks("- [ ] T001 [ASYNC] x\n".encode("utf-16"))),
    "task unknown": Case("unknown_task", 2, tasks(TASKS), ("spawn", "T099")),
    "task done": Case("task_done", 2, tasks(TASKS), ("spawn", "T002")),
    "task is SYNC": Case("task_not_async", 2, tasks(TASKS), ("spawn", "T003")),
    "task never tried": Case("no_attempt", 2, tasks(TASKS), ("merge", "T001")),
    "two tasks with one id": Case("task_not_ready", 2, tasks(TASKS + TASKS)),
    "git not installed": Case("no_git", 2, without("git")),
    "git not installed, plan": Case("no_git", 2, without("git"), ("plan",)),
    "a folder that is not there": Case("no_repository", 2, lambda _: None, ("plan", "-C", "gone")),
    "odd setting": Case("bad_config", 2, lambda _: None, (*SPAWN, "--set", "max_parallel=many")),
    # these are found out by the attempt, and are its outcome
    "OpenCode not installed": Case("agent_not_found", 1, without("opencode")),
    "push rejected": Case("push_rejected", 1, rejected("update", f"{FOR_WORK} exit 1;; esac")),
    "branch protected": Case("push_rejected", 1, rejected("update", PROTECTED)),
    "every push rejected": Case("push_rejected", 1, rejected("pre-receive", "exit 1")),
}


@pytest.mark.parametrize("name", CASES)
def test_is_said_with_code_and_remedy(harness: Harness, name: str) -> None:
    case = CASES[name]
    harness.tasks(TASKS)
    case.arrange(harness)
    before, refs = picture(harness.checkout), refs_of(harness)
    done = harness.run(*case.argv)
    assert (done.code, said(done)["code"]) == (case.exit, case.code), done.stdout
    assert picture(harness.checkout) == before
    assert {name for name in refs_of(harness) if "refs/sdlc-runner" not in name} == set(refs)
    assert refs.items() <= refs_of(harness).items()
    assert "hunter2" not in done.stdout + done.stderr


def refs_of(harness: Harness) -> dict[str, str]:
    return (
        harness.remote_refs()
        if harness.remote.exists() and "bin" not in harness.env["PATH"][-4:]
        else {}
    )


def said(done: Result) -> Event:
    """The one error, or the outcome that is no success; complete, and on stderr as well."""
    errors = done.of("error")
    (event,) = errors or done.of("outcome")
    assert event["message"]
    assert "\n" not in event["message"]
    assert event["hint"]
    if errors:
        assert event["message"] in done.stderr
        assert event["hint"] in done.stderr
    return event


def test_every_duplicate_is_named_with_both_lines(harness: Harness) -> None:
    harness.tasks(f"{TASKS}- [ ] T001 [ASYNC] Again\n- [ ] T004 [P] [ASYNC] Write `four.txt`\n")
    done = harness.run("plan")
    assert done.code == 2
    assert [error["code"] for error in done.of("error")] == ["duplicate_task"]
    assert "line 1" in done.error["message"]
    assert "line 4" in done.error["message"]


@pytest.mark.parametrize("text", [TASKS.replace("\n", "\r\n"), "\ufeff" + TASKS])
def test_line_endings_and_marks_are_no_error(harness: Harness, text: str) -> None:
    harness.tasks(text.encode())
    assert harness.run(*SPAWN).outcome("T001")["outcome"] == "succeeded"


def test_a_non_fast_forward_of_the_attempt_s_branch_is_its_outcome(harness: Harness) -> None:
    harness.tasks(TASKS)
    branch = f"refs/heads/sdlc-runner/{FEATURE}/T001-1"
    head = harness.git("rev-parse", "HEAD")
    push = f"['git', '-C', {str(harness.checkout)!r}, 'push', '-q', 'origin', '{head}:{branch}']"
    harness.agent(f"open('one.txt', 'w')\nsubprocess.run({push}, check=True)\n")
    done = harness.run(*SPAWN)
    assert done.code == 1
    assert done.outcome("T001")["outcome"] in ("push_failed", "unverified")
    assert harness.remote_refs()[branch] == head


def test_a_dirty_tree_in_the_middle_of_a_run_stops_nothing(harness: Harness) -> None:
    harness.tasks(TASKS)
    readme = harness.checkout / "README.md"
    harness.agent(f"open('one.txt', 'w')\npathlib.Path({str(readme)!r}).write_text('mine')\n")
    done = harness.run("run")
    assert [event["task"] for event in done.of("ticked")] == ["T001"]
    assert readme.read_text() == "mine"
    assert not (harness.checkout / "one.txt").exists()


def test_default_branch_names_what_the_remote_does_not(harness: Harness) -> None:
    harness.tasks(TASKS)
    default_cannot_be_told(harness)
    assert harness.run(*SPAWN, "--set", "default_branch=main").code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
@pytest.mark.parametrize("where", ["state", "repository"])
def test_a_full_disk(harness: Harness, tmp_path: Path, where: str) -> None:
    harness.tasks(TASKS)
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        checkout = harness.checkout
        if where == "state":
            harness.env["XDG_STATE_HOME"] = str(small)
        else:
            checkout = small / "checkout"
            harness.git("clone", "-q", "-b", FEATURE, str(harness.remote), str(checkout))
            _push_much(harness)
        with (small / "ballast").open("wb", buffering=0) as file:
            _fill(file.fileno())
        done = harness.run(*SPAWN, cwd=checkout)
        assert said(done)["code"] == "disk_full", done.stdout
        assert done.code != 0
        (small / "ballast").unlink()
        subprocess.run([*mount[:4], "remount,size=64m", *mount[5:]], check=True)
        assert harness.run(*SPAWN, cwd=checkout).code == 0
    finally:
        harness.kill_attempts()
        subprocess.run(["umount", "--lazy", str(small)], check=True)


def _push_much(harness: Harness) -> None:
    harness.write("much.bin", os.urandom(3_000_000))
    harness.commit("Much")


def _fill(descriptor: int) -> None:
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        return
