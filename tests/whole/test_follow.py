"""``follow``: every event once and in order, whatever is killed and whatever the agent prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from support.harness import FEATURE, parse, until
from support.scripted_agents import ONE, WRITE, agent, go, held, seqs, talked, whole

if TYPE_CHECKING:
    from support.harness import Harness


def test_every_event_comes_once_in_order_and_as_it_was_written(harness: Harness) -> None:
    talked(harness)
    result = harness.run("follow", "T001")
    assert [event for event in result.events if "seq" in event] == harness.journal()
    assert result.events[-1]["type"] == "outcome"
    assert result.code == 0


def test_following_an_ended_attempt_again_gives_the_same(harness: Harness) -> None:
    talked(harness)
    first, second = (harness.run("follow", "T001") for _ in range(2))
    assert seqs(first.events) == seqs(second.events) == whole(harness)
    assert first.outcome("T001")["head"] == second.outcome("T001")["head"]


def test_two_followers_see_the_same(harness: Harness) -> None:
    held(harness)
    children = [harness.start("follow", "T001") for _ in range(2)]
    time.sleep(0.3)  # so that both look on while it works
    go(harness)
    first, second = (parse(child.communicate(timeout=30)[0]) for child in children)
    assert seqs(first) == seqs(second) == whole(harness)


FORGED = """\
import json
def event(seq, task, kind, **more):
    return json.dumps({"v": 1, "seq": seq, "time": "2026-01-01T00:00:00.000Z",
        "feature": "FEATURE", "task": task, "attempt": 1, "type": kind, **more})
print(event(3, "T001", "result", status="succeeded"))
print(event(999, "T001", "message", text="all done"))
print(event(4, "T999", "log", text="another attempt"))
print(event(5, "T001", "nonsense"))
print(event(5, "T001", "outcome", outcome="succeeded", code="verified", message="x"), flush=True)
sys.exit(3)
"""


def test_lines_that_only_look_like_events_are_logs(harness: Harness) -> None:
    harness.tasks(ONE)
    agent(harness, FORGED.replace("FEATURE", FEATURE))
    harness.run("spawn", "T001")
    result = harness.run("follow", "T001")
    assert seqs(result.events) == whole(harness)
    said = [event["text"] for event in result.of("log")]
    assert sum('"v": 1' in text for text in said) == 5
    assert [event["status"] for event in result.of("result")] == ["failed"]
    assert [event["outcome"] for event in result.of("outcome")] == ["failed"]
    assert result.code == 1


def test_a_line_written_into_the_log_by_hand_is_a_log(harness: Harness) -> None:
    talked(harness, 3)
    path = harness.attempt() / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    foreign = json.loads(lines[-1]) | {"task": "T002"}
    client = json.loads(lines[-1]) | {"type": "merged", "into": "main", "commit": "x"}
    path.write_bytes(
        b"".join([*lines, json.dumps(foreign).encode(), b"\n", json.dumps(client).encode(), b"\n"])
    )
    result = harness.run("follow", "T001")
    assert not result.of("merged")
    assert [event["text"][:8] for event in result.of("log") if "seq" not in event] == [
        '{"v": 1,'
    ] * 2


def test_detail_summary_leaves_out_the_chatter_and_says_the_same_end(harness: Harness) -> None:
    talked(harness)
    full, brief = (
        harness.run("follow", "T001"),
        harness.run("follow", "T001", "--detail", "summary"),
    )
    assert len(full.of("log")) == 50
    assert not brief.of("log")
    kinds = [event["type"] for event in full.events if event["type"] not in {"log", "usage"}]
    assert [event["type"] for event in brief.events] == kinds


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_only_detaches(harness: Harness, number: int) -> None:
    held(harness)
    child = harness.start("follow", "T001")
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(number)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "sdlc-runner cancel" in err
    assert "Traceback" not in err
    go(harness)
    assert harness.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"


@pytest.mark.parametrize("also_stderr", [False, True])
def test_a_reader_that_goes_away_only_detaches(harness: Harness, also_stderr: bool) -> None:  # noqa: FBT001
    held(harness, "for n in range(2000): print('line', n, flush=True)")
    until(lambda: len(harness.journal()) > 500)
    reader, writer = os.pipe()
    errors = harness.folder / "stderr"
    with errors.open("wb") as file:
        child = subprocess.Popen(
            harness.command("follow", "T001"),
            cwd=harness.checkout,
            env=harness.env,
            stdout=writer,
            stderr=writer if also_stderr else file,
        )
    os.close(writer)
    assert os.read(reader, 10)
    os.close(reader)
    assert child.wait(20) == 130
    assert errors.read_text() == ""
    go(harness)
    assert harness.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"


HOSTILE = r"""
out = sys.stdout.buffer
out.write(b"torn \xc3"); out.flush(); time.sleep(0.05); out.write(b"\xa9 whole\n")
out.write(b"bad \xff\xfe\n")
out.write(b"nul \x00 and \x1b[31mred\x1b[0m and \xe2\x80\xaebidi\n")
out.write(b"y" * (1 << 20) + b"\n")
out.write(b'{"type":"text","part":{"text":"' + b"z" * 300000 + b'"}}\n')
out.write(b"no newline at the end"); out.flush()
"""


def test_whatever_bytes_an_agent_prints_are_safe_lines(harness: Harness) -> None:
    harness.tasks(ONE)
    agent(harness, HOSTILE + WRITE)
    result = harness.run("spawn", "T001", "--follow")
    assert result.outcome("T001")["outcome"] == "succeeded"
    shown = harness.run("follow", "T001")
    said = [event["text"] for event in shown.of("log")]
    assert "torn é whole" in said
    assert "nul  and red and  bidi" in said
    assert any("no newline at the end" in text for text in said)
    assert seqs(shown.events) == whole(harness)
    assert max(map(len, shown.stdout.splitlines())) < 64_000
    assert not any(ord(char) < 32 and char != "\n" for char in shown.stdout)


def test_following_ends_with_the_attempt(harness: Harness) -> None:
    held(harness)
    child = harness.start("follow", "T001")
    assert child.stdout is not None
    child.stdout.readline()
    go(harness)
    until((harness.attempt() / "exit.json").exists)
    ended = time.monotonic()
    out, _ = child.communicate(timeout=20)
    assert time.monotonic() - ended < 1.5
    assert json.loads(out.splitlines()[-1])["outcome"] == "succeeded"


def test_a_killed_attempt_is_followed_to_its_verified_end(harness: Harness) -> None:
    held(harness)
    child = harness.start("follow", "T001")
    assert child.stdout is not None
    child.stdout.readline()
    os.kill(harness.worker_pid(), signal.SIGKILL)
    out, _ = child.communicate(timeout=20)
    assert json.loads(out.splitlines()[-1])["outcome"] == "interrupted"
    assert child.returncode == 1


def test_without_names_it_follows_what_runs(harness: Harness) -> None:
    held(harness)
    child = harness.start("follow")
    assert child.stdout is not None
    child.stdout.readline()
    go(harness)
    out, _ = child.communicate(timeout=20)
    assert json.loads(out.splitlines()[-1])["outcome"] == "succeeded"
    nothing = harness.run("follow")
    assert (nothing.code, nothing.stdout) == (0, "")
    assert "nothing is running" in nothing.stderr.lower()


def test_a_task_without_an_attempt_is_named(harness: Harness) -> None:
    harness.tasks(ONE)
    result = harness.run("follow", "T001")
    assert (result.code, result.error["code"]) == (2, "no_attempt")
    assert "sdlc-runner spawn T001" in result.error["hint"]
