from __future__ import annotations

import json
import os
import time

from sdlc_runner.events.types import EventType, Outcome
from sdlc_runner.worker.masking import Masker
from support.agent_fixtures import SLEEP, Heard, Stage, is_gone, wait_until


def test_a_prompt_larger_than_the_pipe_does_not_lock(stage: Stage, heard: Heard) -> None:
    script = "import sys; print('x' * 300_000); print(len(sys.stdin.read()))"
    assert stage.script(script, "p" * 1_000_000).ok
    assert heard.texts()[-1] == "1000000"


def test_an_agent_that_reads_no_prompt_is_fine(stage: Stage) -> None:
    assert stage.script("import os; os.close(0)", "p" * 1_000_000).ok


def test_background_children_end_with_it(stage: Stage, heard: Heard) -> None:
    script = (
        "import subprocess, sys\n"
        f"p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
        "print(p.pid)"
    )
    began = time.monotonic()
    assert stage.script(script).ok
    assert time.monotonic() - began < 5
    pid = int(heard.texts()[0])
    wait_until(lambda: is_gone(pid))


def test_a_daemon_that_holds_the_pipes_does_not_hang_us(stage: Stage, heard: Heard) -> None:
    script = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(8)'],"
        " start_new_session=True)\n"
        "print(p.pid)"
    )
    began = time.monotonic()
    assert stage.script(script).ok
    assert time.monotonic() - began < 5
    os.kill(int(heard.texts()[0]), 9)


def test_closed_outputs_do_not_end_it(stage: Stage) -> None:
    script = "import os, time; os.close(1); os.close(2); time.sleep(0.3); os._exit(4)"
    assert stage.script(script).exit_code == 4


def test_a_flood_neither_starves_the_limits_nor_loses_a_line(stage: Stage, heard: Heard) -> None:
    script = "import sys\nn = 0\nwhile True: sys.stdout.write(f'{n}\\n'); n += 1"
    began = time.monotonic()
    end = stage.script(script, run_seconds=0.5, grace_seconds=1)
    assert end.status is Outcome.TIMED_OUT
    assert time.monotonic() - began < 6
    numbers = [int(text) for text in heard.texts("stdout")[:-1]]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 100


def test_a_line_without_end_is_cut_into_pieces(stage: Stage, heard: Heard) -> None:
    assert stage.script("import sys; sys.stdout.write('ü' * 100_000)").ok
    assert [text[-2:] for text in heard.texts()] == ["ü…", "ü…", "ü…", "üü"]
    assert "\ufffd" not in "".join(heard.texts())


def test_a_long_line_of_opencode_is_one_event(stage: Stage, heard: Heard) -> None:
    state = {"status": "completed", "input": {"command": "x"}, "output": "y" * 400_000}
    event = {"type": "tool_use", "sessionID": "s", "part": {"type": "tool", "state": state}}
    path = stage.work / "line.json"
    path.write_text(json.dumps(event) + "\n")
    assert stage.script("print(open('line.json').read(), end='')").ok
    assert [type_ for type_, _ in heard.events] == [EventType.TOOL]


def test_secrets_are_masked_before_lines_are_cut(stage: Stage, heard: Heard) -> None:
    stage.masker = Masker(["top-secret-value"])
    script = (
        "import sys, time\n"
        "sys.stdout.write('x' * 3995 + 'top-sec'); sys.stdout.flush(); time.sleep(0.2)\n"
        "sys.stdout.write('ret-value\\n'); print('top-secret-value', file=sys.stderr)"
    )
    assert stage.script(script).ok
    assert heard.texts("stdout") == ["x" * 3995 + "***"]
    assert heard.texts("stderr") == ["***"]


def test_hostile_bytes_are_only_logs(stage: Stage, heard: Heard) -> None:
    script = "import sys; sys.stdout.buffer.write(b'\\xff\\x00\\x1b[2J{\\n\\r\\n{\"v\":1}\\nlast')"
    assert stage.script(script).ok
    assert heard.texts() == ["\ufffd{", '{"v":1}', "last"]


def test_what_it_says_while_it_ends_is_read(stage: Stage, heard: Heard) -> None:
    script = (
        "import signal, sys\n"
        "signal.signal(15, lambda *_: (print('bye'), sys.exit(0)))\n"
        f"print('x'); {SLEEP}"
    )
    end = stage.script(script, idle_seconds=0.5)
    assert end.status is Outcome.IDLE
    assert heard.texts() == ["x", "bye"]
