"""What somebody who may push can put on the remote: it is only a claim, and runs nothing."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.harness import FEATURE

if TYPE_CHECKING:
    from support.harness import Harness

ONE = "## Phase 1: Setup\n\n- [ ] T001 [ASYNC] Write T001.txt\n"
REFS = f"refs/sdlc-runner/{FEATURE}"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def push_start(harness: Harness, ref: str, *, signed: str = "", **changed: str) -> str:
    """Push a crafted ``start``, as somebody could who may push."""
    trailers = {
        "Feature": FEATURE,
        "Task": "T001",
        "Attempt": "1",
        "Tasks": "T001",
        "Base": harness.git("rev-parse", "HEAD"),
        "Branch": f"sdlc-runner/{FEATURE}/T001-1",
        "Backend": "local",
        "Where": "elsewhere",
        "Identity": "0" * 64,
        **changed,
    }
    lines = "".join(f"{name}: {value}\n" for name, value in trailers.items())
    harness.git("hash-object", "-t", "tree", "-w", "--stdin")
    commit = harness.git("commit-tree", EMPTY_TREE, "-m", f"Start\n\n{lines}{signed}")
    harness.git("push", "--quiet", "origin", f"{commit}:{ref}")
    return commit


def push_transcript(harness: Harness, result: str, events: str = "") -> None:
    """Push a crafted transcript."""
    entries = []
    for name, text in (("events.jsonl", events), ("result.json", result)):
        file = harness.folder / name
        file.write_text(text)
        blob = harness.git("hash-object", "-w", "--no-filters", str(file))
        entries.append(f"100644 blob {blob}\t{name}\n")
    tree = subprocess.run(
        ["git", "mktree"],
        input="".join(entries).encode(),
        cwd=harness.checkout,
        env=harness.env,
        check=True,
        capture_output=True,
    ).stdout.decode()
    commit = harness.git("commit-tree", tree.strip(), "-m", "Transcript")
    harness.git("push", "--quiet", "--force", "origin", f"{commit}:{REFS}/T001/1/transcript")


def test_a_crafted_base_is_no_option_of_git(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.git("push", "--quiet", "origin", f"HEAD:refs/heads/sdlc-runner/{FEATURE}/T001-1")
    target = harness.folder / "written"
    push_start(harness, f"{REFS}/T001/1/start", Base=f"--output={target}")
    result = harness.run("verify")
    assert result.code in {0, 1, 2}
    assert not list(harness.folder.glob("written*"))


def test_a_crafted_start_cannot_have_gc_delete_the_feature_branch(harness: Harness) -> None:
    harness.tasks("## Phase 1: Setup\n\n- [X] T001 [ASYNC] Write T001.txt\n")
    push_start(harness, f"{REFS}/T001/1/start", Branch=FEATURE)
    harness.run("gc")
    assert f"refs/heads/{FEATURE}" in harness.remote_refs()


def test_a_crafted_start_cannot_stand_for_another_attempt(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.run("spawn", "T001", "--follow")
    push_start(harness, f"{REFS}/T009/1/start", Base="0" * 40)
    result = harness.run("verify", "T001")
    assert result.outcome("T001")["code"] == "verified"


def test_crafted_names_print_no_control_characters(harness: Harness) -> None:
    harness.tasks(ONE)
    evil = "T\x1b]0;pwned\x07"
    push_start(harness, f"{REFS}/T001/1/start", Task=evil, Where="\x1b[31m", Backend="\x1b[2J")
    for verb in (["status"], ["cancel", "T001"], ["verify"], ["logs", "T001"]):
        result = harness.run(*verb)
        assert "\x1b" not in result.stdout + result.stderr
        assert "\x07" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "result",
    [
        '{"status": "succeeded", "cost": Infinity, "duration": 1e999, "input_tokens": 1e3}',
        '{"status": ["x"], "tasks": [[], 3, {"task": "T001", "status": {}, "code": []}]}',
        '{"status": "failed", "code": {"a": 1}, "message": [1], "hint": 7, "head": []}',
        '{"status": "failed", "message": "{task} {0} \\u001b[31m \\ud800", "hint": "{x}"}',
        "[]",
        "[" * 100_000,
        '{"input_tokens": ' + "9" * 5000 + "}",
        '{"input_tokens": ' + "9" * 400 + ', "cost": -1, "duration": "x"}',
        '{"status": "no_change", "base": 1, "evidence": "x"}',
        "\x00\x01",
    ],
)
def test_a_crafted_result_is_only_a_claim(harness: Harness, result: str) -> None:
    harness.tasks(ONE)
    push_start(harness, f"{REFS}/T001/1/start")
    push_transcript(harness, result)
    verified = harness.run("verify")
    assert verified.code == 1
    assert verified.outcome("T001")["outcome"] in {"lost", "failed", "unverified"}
    assert "\x1b" not in verified.stdout
    assert harness.run("status").code == 0


def test_a_crafted_transcript_is_read_in_a_moment(harness: Harness) -> None:
    harness.tasks(ONE)
    push_start(harness, f"{REFS}/T001/1/start")
    event = {
        "v": 1,
        "time": "2026-01-01T00:00:00.000Z",
        "feature": FEATURE,
        "task": "T001",
        "attempt": 1,
        "type": "log",
        "text": "x",
    }
    lines = [json.dumps({**event, "seq": seq}) for seq in (1, 2, 2**53, 5, 2)]
    push_transcript(harness, "{}", "\n".join([*lines, "not json", "\x1b[31m"]))
    result = harness.run("logs", "T001")
    assert [item["seq"] for item in result.of("log") if "seq" in item][:2] == [1, 2]


def test_a_commit_without_a_message_is_foreign_and_breaks_nothing(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.run("spawn", "T001", "--follow")
    branch = f"sdlc-runner/{FEATURE}/T001-1"
    harness.git("fetch", "--quiet", "origin", branch)
    harness.git("switch", "--quiet", "--detach", "FETCH_HEAD")
    harness.git("commit", "--quiet", "--allow-empty", "--allow-empty-message", "-m", "")
    harness.git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
    harness.git("switch", "--quiet", FEATURE)
    result = harness.run("verify", "T001")
    assert result.outcome("T001")["outcome"] == "unverified"


def test_refs_of_ours_that_are_no_commits_are_no_attempts(harness: Harness) -> None:
    harness.tasks(ONE)
    blob = harness.git("hash-object", "-w", "README.md")
    for number, leaf in enumerate(("start", "transcript", "checkpoint"), 1):
        harness.git("push", "--quiet", "origin", f"{blob}:{REFS}/T00{number}/1/{leaf}")
    assert harness.run("status").code == 0
    result = harness.run("verify")
    assert not result.of("outcome")


def test_a_result_beyond_all_reason_is_none(harness: Harness) -> None:
    harness.tasks(ONE)
    push_start(harness, f"{REFS}/T001/1/start")
    claim = {"status": "failed", "code": "agent_failed", "message": "x" * (5 << 20)}
    push_transcript(harness, json.dumps(claim), "y" * 1000)
    assert harness.run("verify", "T001").outcome("T001")["code"] == "no_result"
    push_transcript(harness, json.dumps({**claim, "message": "x"}))
    assert harness.run("verify", "T001").outcome("T001")["code"] == "agent_failed"
