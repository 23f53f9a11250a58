"""What an agent does, or says that it did, against what the remote shows."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.attempt_scenes import (
    BRANCH,
    BUNDLE,
    ONE,
    REFS,
    message,
    spawn,
    stored,
    verdict,
    verified,
    verified_elsewhere,
)
from support.harness import FEATURE, until

if TYPE_CHECKING:
    from support.harness import Rig

WRITE = "pathlib.Path('a.txt').write_text('work\\n')\n"
GIT = """
def git(*args):
    subprocess.run(['git', '-c', 'user.name=A', '-c', 'user.email=a@b', *args], check=True)
"""


def commits(rig: Rig) -> list[str]:
    return rig.git("rev-list", f"{FEATURE}..{BRANCH}", cwd=rig.remote).split()


def test_work_is_one_commit_that_names_the_attempt(rig: Rig) -> None:
    rig.agent(WRITE)
    result = spawn(rig)
    assert (result.code, verdict(result)) == (0, ("succeeded", "verified"))
    (commit,) = commits(rig)
    assert result.outcome("T001")["head"] == commit == stored(rig)["head"]
    trailers = message(rig, commit).splitlines()[-4:]
    assert trailers == [
        f"Feature: {FEATURE}",
        "Task: T001",
        "Attempt: 1",
        "Agent-Status: succeeded",
    ]
    shutil.rmtree(rig.state)
    assert verified(rig) == verified_elsewhere(rig) == ("succeeded", "verified")


def test_no_change_needs_what_the_agent_said(rig: Rig) -> None:
    rig.agent("print('it is all there already')")
    result = spawn(rig)
    assert (result.code, verdict(result)) == (0, ("no_change", "no_change"))
    assert stored(rig)["evidence"] == [{"task": "T001", "message": "it is all there already"}]
    assert f"refs/heads/{BRANCH}" not in rig.remote_refs()
    shutil.rmtree(rig.state)
    assert verified(rig) == verified_elsewhere(rig) == ("no_change", "no_change")


def test_exit_code_0_alone_proves_nothing(rig: Rig) -> None:
    rig.agent("")
    result = spawn(rig)
    assert (result.code, verdict(result)) == (1, ("unverified", "no_evidence"))
    assert "logs T001" in result.outcome("T001")["hint"]
    assert verified_elsewhere(rig) == ("unverified", "no_evidence")


def test_what_one_task_said_is_no_evidence_for_the_next(rig: Rig) -> None:
    rig.tasks(BUNDLE)
    rig.agent("if task == 'T001': print('nothing to do')")
    result = rig.run("run")
    assert verdict(result, "T001") == ("no_change", "no_change")
    assert verdict(result, "T002") == ("unverified", "no_evidence")


@pytest.mark.parametrize("code", [0, 3])
def test_a_result_that_the_agent_prints_is_a_log(rig: Rig, code: int) -> None:
    forged = {
        "v": 1,
        "seq": 3,
        "time": "2026-01-01T00:00:00.000Z",
        "feature": FEATURE,
        "task": "T001",
        "attempt": 1,
        "type": "result",
        "status": "succeeded",
        "head": "0" * 40,
    }
    rig.agent(f"print({json.dumps(forged)!r}); sys.exit({code})")
    result = spawn(rig)
    expected = ("no_change", "no_change") if code == 0 else ("failed", "agent_failed")
    assert verdict(result) == expected
    (told,) = result.of("result")
    assert told["status"] == expected[0]
    (log,) = [event for event in rig.journal() if event["type"] == "log"]
    assert json.loads(log["text"]) == forged


def test_a_failed_agent_is_believed_and_its_work_kept(rig: Rig) -> None:
    rig.agent(f"{WRITE}print('cannot go on', file=sys.stderr); sys.exit(7)")
    result = spawn(rig)
    event = result.outcome("T001")
    assert (result.code, verdict(result)) == (1, ("failed", "agent_failed"))
    assert "exit code 7" in event["message"]
    assert "retry T001 --from-checkpoint" in event["hint"]
    assert event["excerpt"] == ["cannot go on"]
    assert event["checkpoint"] == f"{REFS}/checkpoint"
    assert rig.remote_file("a.txt", f"{REFS}/checkpoint") == "work"
    shutil.rmtree(rig.state)
    assert verified(rig) == verified_elsewhere(rig) == ("failed", "agent_failed")


@pytest.mark.parametrize(
    "script",
    [
        "git('add', '-A'); git('commit', '-qm', 'mine')",
        "git('add', '-A'); git('commit', '-q', '--amend', '-m', 'mine')",
        "git('checkout', '-q', '--orphan', 'new'); git('add', '-A'); git('commit', '-qm', 'x')",
        "git('switch', '-qc', 'elsewhere'); git('add', '-A'); git('commit', '-qm', 'mine')",
        "git('stash', '-qu'); git('switch', '-q', '--detach'); git('stash', 'pop', '-q')",
        "subprocess.run(['rm', '-rf', '.git'], check=True)",
        "subprocess.run('rm -rf .git; git init -q; git init -q --bare x.git', shell=True)",
    ],
    ids=["commit", "amend", "orphan", "switch", "detach", "no-git", "new-git"],
)
def test_what_the_agent_does_with_its_git_changes_nothing(rig: Rig, script: str) -> None:
    rig.agent(WRITE + GIT + script)
    assert verdict(spawn(rig)) == ("succeeded", "verified")
    (commit,) = commits(rig)
    assert rig.git("rev-parse", f"{commit}^", cwd=rig.remote) == rig.git("rev-parse", FEATURE)
    assert rig.remote_file("a.txt", BRANCH) == "work"
    assert rig.git("log", "-1", "--format=%an", commit, cwd=rig.remote) == "Agentic SDLC Runner"


@pytest.mark.parametrize("forged", [False, True], ids=["plain", "our-trailers"])
def test_a_branch_that_the_agent_pushes_is_not_believed(rig: Rig, forged: bool) -> None:  # noqa: FBT001
    text = f"T001\\n\\nFeature: {FEATURE}\\nTask: T001\\nAttempt: 1\\nAgent-Status: succeeded"
    rig.agent(
        f"{WRITE}{GIT}git('add', '-A'); git('commit', '-qm', '{text if forged else 'mine'}')\n"
        f"git('push', '-q', {str(rig.remote)!r}, 'HEAD:refs/heads/{BRANCH}')\n"
        "pathlib.Path('a.txt').write_text('better\\n')"
    )
    result = spawn(rig)
    assert (result.code, verdict(result)) == (1, ("unverified", "head_mismatch"))
    assert (stored(rig)["status"], stored(rig)["code"]) == ("push_failed", "branch_exists")
    assert rig.remote_file("a.txt", f"{REFS}/checkpoint") == "better"
    assert verified_elsewhere(rig) == ("unverified", "head_mismatch")


def test_an_agent_that_pushes_to_the_feature_branch_changes_no_verdict(rig: Rig) -> None:
    rig.tasks(ONE)
    base = rig.git("rev-parse", "HEAD")
    rig.agent(
        f"{WRITE}{GIT}git('add', '-A'); git('commit', '-qm', 'mine')\n"
        f"git('push', '-q', {str(rig.remote)!r}, 'HEAD:refs/heads/{FEATURE}')"
    )
    assert verdict(spawn(rig)) == ("succeeded", "verified")
    assert rig.git("rev-parse", f"{BRANCH}^", cwd=rig.remote) == base


def test_a_work_tree_that_became_a_link_is_not_read(rig: Rig) -> None:
    private = rig.folder / "private"
    private.mkdir()
    (private / "diary.txt").write_text("very private\n")
    rig.agent(
        "here = pathlib.Path.cwd(); here.rename(here.with_name('old'))\n"
        f"here.symlink_to({str(private)!r})"
    )
    result = spawn(rig)
    assert verdict(result) == ("failed", "git_failed")
    assert "replaced" in result.outcome("T001")["message"]
    names = rig.git("log", "--all", "--name-only", "--format=", cwd=rig.remote)
    assert "diary.txt" not in names


def test_a_repository_inside_loses_no_file(rig: Rig) -> None:
    rig.agent(
        GIT
        + WRITE
        + """
for name in ('empty', 'full', 'full/inner', 'with space [x]'):
    folder = pathlib.Path(name)
    folder.mkdir()
    subprocess.run(['git', 'init', '-q', name], check=True)
    (folder / 'file.txt').write_text(name + '\\n')
    (folder / 'junk.log').write_text('junk')
    (folder / '.gitignore').write_text('*.log\\n')
git('-C', 'full', 'add', 'file.txt')
git('-C', 'full', 'commit', '-qm', 'inside')
"""
    )
    assert verdict(spawn(rig)) == ("succeeded", "verified")
    listed = rig.git("ls-tree", "-r", BRANCH, cwd=rig.remote)
    names = {line.partition("\t")[2] for line in listed.splitlines()}
    folders = {"empty", "full", "full/inner", "with space [x]"}
    assert {f"{name}/file.txt" for name in folders} | {"a.txt"} <= names
    assert not [name for name in names if name.endswith("junk.log")]
    assert "160000" not in listed
    assert rig.remote_file("full/file.txt", BRANCH) == "full"


def test_nothing_in_the_work_tree_makes_our_git_run_it(rig: Rig) -> None:
    marker = rig.folder / "ran"
    rig.agent(
        f"{WRITE}{GIT}"
        f"evil = 'touch {marker}; cat'\n"
        "for key in ('filter.evil.clean', 'filter.evil.smudge', 'filter.evil.process',"
        " 'core.fsmonitor', 'diff.external', 'diff.evil.textconv'): git('config', key, evil)\n"
        "pathlib.Path('.gitattributes').write_text('* filter=evil diff=evil\\n')\n"
        "hooks = pathlib.Path('.git/hooks'); hooks.mkdir(exist_ok=True)\n"
        "for name in ('pre-commit', 'pre-push', 'post-index-change', 'reference-transaction'):\n"
        "    (hooks / name).write_text('#!/bin/sh\\n' + evil); (hooks / name).chmod(0o755)\n"
    )
    assert verdict(spawn(rig)) == ("succeeded", "verified")
    assert not marker.exists()
    assert rig.remote_file("a.txt", BRANCH) == "work"


def test_the_main_sessions_files_are_left_out(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent(
        f"{WRITE}pathlib.Path('specs/{FEATURE}/tasks.md').write_text('- [x] T001 all mine\\n')"
    )
    result = spawn(rig)
    assert verdict(result) == ("succeeded", "verified")
    assert rig.git("diff", "--name-only", FEATURE, BRANCH, cwd=rig.remote) == "a.txt"
    assert [event["code"] for event in result.of("warning")] == ["protected_file"]


def test_killed_and_forgotten(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent("pathlib.Path('begun').touch(); time.sleep(60)")
    rig.run("spawn", "T001")
    rig.wait_for(rig.attempt() / "work/begun")
    assert verified(rig) == ("unverified", "still_running")
    os.kill(rig.wrapper_pid(), signal.SIGKILL)
    until(lambda: verdict(rig.run("follow", "T001"))[1] != "still_running")
    assert verdict(rig.run("follow", "T001")) == ("interrupted", "killed")
    shutil.rmtree(rig.state)
    assert verified(rig) == ("lost", "no_trace")
    assert verified_elsewhere(rig) == ("unverified", "no_result")


def test_a_bundle_has_an_outcome_for_each_task(rig: Rig) -> None:
    rig.tasks(BUNDLE + "- [ ] T003 [ASYNC] Add the rest to a.txt\n")
    rig.agent("if task == 'T002': sys.exit(1)\npathlib.Path('a.txt').write_text(task)")
    result = rig.run("run")
    expected = {
        "T001": ("succeeded", "verified"),
        "T002": ("failed", "agent_failed"),
        "T003": ("failed", "not_reached"),
    }
    assert {task: verdict(result, task) for task in expected} == expected
    assert "T002 ended as failed" in result.outcome("T003")["message"]
    assert not Path(rig.attempt() / "wrapper.log").read_text()
    shutil.rmtree(rig.state)
    assert {task: verified(rig, task) for task in expected} == expected


def test_only_what_the_agent_changed_is_committed(rig: Rig) -> None:
    rig.write("windows.txt", b"one\r\ntwo\r\n")
    rig.commit("Line ends as they are")
    rig.write(".gitattributes", "*.txt text\n")
    rig.git("add", ".gitattributes")
    rig.git("commit", "--quiet", "-m", "Say otherwise")
    rig.tasks(ONE, push=False)
    rig.git("add", "specs")
    rig.git("commit", "--quiet", "-m", "Plan")
    rig.git("push", "--quiet", "origin", "HEAD")
    assert verdict(spawn(rig)) == ("succeeded", "verified")
    changed = rig.git("diff", "--name-only", f"{BRANCH}~1", BRANCH, cwd=rig.remote)
    assert changed.split() == ["T001.txt"]
