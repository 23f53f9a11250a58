"""What verbs print inside an OpenCode session, and what they do when it is gone."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from support.harness import until

if TYPE_CHECKING:
    from support.harness import Harness

NOISE = """\
line = task + ' ' + 'x' * 180 + '\\n'
for _ in range({lines}): sys.stdout.write(line)
sys.stdout.flush()
sys.exit(task == 'T002' and 3 or pathlib.Path(task + '.txt').write_text('done') * 0)
"""


@pytest.fixture
def session(harness: Harness) -> Harness:
    harness.env |= {"OPENCODE": "1", "OPENCODE_PID": str(os.getpid())}
    harness.tasks(
        "## Phase 1: Setup\n\n"
        "- [ ] T001 [P] [ASYNC] Write `one.txt`\n"
        "- [ ] T002 [P] [ASYNC] Fail in `two.txt`\n"
    )
    return harness


def said(harness: Harness, *argv: str) -> list[str]:
    """Run a verb as OpenCode's shell tool does: stderr is merged."""
    return ended(begun(harness, *argv))


def begun(harness: Harness, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        harness.command(*argv),
        cwd=harness.checkout,
        env=harness.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(child: subprocess.Popen[str]) -> list[str]:
    text = child.communicate(timeout=110)[0]
    assert "Traceback" not in text
    return text.splitlines()


def size(lines: list[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def flood(harness: Harness, lines: int) -> None:
    harness.agent(NOISE.format(lines=lines))
    watch = begun(harness, "watch", "T001", "T002")
    calls = [begun(harness, "spawn", task, "--follow") for task in ("T001", "T002")]
    one, two = (ended(call) for call in calls)
    watched = ended(watch)
    assert one[-1].startswith("T001 succeeded: ")
    assert two[-1].startswith("T002 failed: ")
    assert "T002 | T002 xxx" in two[-2]
    for lines_of in (one, two):
        assert size(lines_of) <= 1_500
    assert watched[-1] == "2 tasks ended, 1 without success; nothing is running."
    for task in ("T001", "T002"):
        assert size([line for line in watched if line.startswith(task)]) <= 1_500
        assert len([line for line in watched if line.startswith(task)]) >= 2


def test_a_flood_is_a_few_lines_with_the_verdict_last(session: Harness) -> None:
    flood(session, 5_000)


@pytest.mark.slow
def test_fifty_megabytes_are_a_few_lines_with_the_verdict_last(session: Harness) -> None:
    flood(session, 280_000)


def test_every_verb_speaks_plainly_and_says_a_refusal_once(session: Harness) -> None:
    planned = said(session, "plan")
    assert planned[0].startswith("T001 ready wave 1 ")
    assert planned[-1] == "2 tasks: 2 ready. 2 attempts in 1 wave."
    (refused,) = said(session, "spawn", "T009", "--follow")
    assert refused.startswith("error: T009 is not in tasks.md. [unknown_task] → ")
    assert said(session, "plan", "--json")[0].startswith('{"v":1,')


def test_logs_end_with_the_end_of_the_transcript(session: Harness) -> None:
    session.agent("print('x' * 90_000 + '\\n' * 2); [print('line', at) for at in range(5000)]")
    said(session, "spawn", "T001", "--follow")
    told = said(session, "logs", "T001")
    assert size(told) <= 9_000
    assert "left out" in told[0]
    assert any("line 4999" in line for line in told[-12:])


def test_watch_waits_for_what_is_named_and_no_longer(session: Harness) -> None:
    watch = begun(session, "watch", "T001")
    time.sleep(7)  # longer than it waits where nothing is named
    assert watch.poll() is None
    said(session, "spawn", "T001", "--follow")
    began = time.monotonic()
    assert ended(watch)[-1] == "1 task ended, all successful; nothing is running."
    assert time.monotonic() - began < 5
    began = time.monotonic()
    assert said(session, "watch", "T001")[-1] == "Nothing is running."
    assert time.monotonic() - began < 5


def test_who_looks_on_leaves_when_the_session_is_gone(session: Harness) -> None:
    session.agent("time.sleep(6); pathlib.Path('one.txt').write_text('done')")
    opencode = subprocess.Popen(["sleep", "60"])
    session.env["OPENCODE_PID"] = str(opencode.pid)
    call = begun(session, "spawn", "T001", "--follow")
    until(lambda: session.state.exists() and session.journal())
    opencode.kill()
    opencode.wait()
    assert "Detached: attempts go on" in ended(call)[-1]
    assert call.returncode == 130
    session.env["OPENCODE_PID"] = str(os.getpid())
    assert said(session, "spawn", "T001", "--follow")[-1].startswith("T001 succeeded: ")


def test_a_closed_pipe_leaves_the_attempt_running(session: Harness) -> None:
    session.agent("time.sleep(3); pathlib.Path('one.txt').write_text('done')")
    call = begun(session, "spawn", "T001", "--follow")
    assert call.stdout is not None
    assert call.stdout.readline().startswith("T001 started: ")
    call.stdout.close()
    assert call.wait(30) == 130
    assert said(session, "spawn", "T001", "--follow")[-1].startswith("T001 succeeded: ")
