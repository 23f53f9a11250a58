"""Programs: how they end, and that nothing they started is left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from sdlc_runner import process

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 20.0  # far more than anything here takes; a hang ends with an error instead


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def followed(argv: list[str], cwd: Path, *, dies_with_us: bool = False) -> process.Process[bytes]:
    return process.start(
        argv,
        cwd=cwd,
        env=dict(os.environ),
        stdin=process.DEVNULL,
        stdout=process.PIPE,
        stderr=process.DEVNULL,
        dies_with_us=dies_with_us,
    )


def first_line(child: process.Process[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


# --- run


def test_gives_output_code_and_words() -> None:
    ended = process.run(["sh", "-c", "echo out; echo; echo ' err ' >&2; exit 3"])
    assert (ended.code, ended.ok, ended.text, ended.error_text) == (3, False, "out", "err")


def test_hands_over_standard_input_folder_and_environment(tmp_path: Path) -> None:
    ended = process.run(
        ["sh", "-c", "cat; pwd -P; echo $WORD"],
        cwd=tmp_path,
        env={**os.environ, "WORD": "hello"},
        stdin=b"in\n",
    )
    assert ended.text.split("\n") == ["in", str(tmp_path.resolve()), "hello"]


def test_standard_input_is_never_a_prompt() -> None:
    assert process.run(["cat"]).stdout == b""


def test_a_program_that_does_not_read_is_no_error() -> None:
    assert process.run(["true"], stdin=b"x" * 1_000_000).ok


def test_much_output_on_both_ends_does_not_block() -> None:
    ended = process.run(
        python("import sys; sys.stderr.write('e' * 500000); print('o' * 500000)"),
        timeout=PATIENCE,
    )
    assert (len(ended.stdout), len(ended.stderr)) == (500_001, 500_000)


def test_arguments_never_reach_a_shell() -> None:
    assert process.run(["printf", "%s", "$(id) `id` ; *"]).text == "$(id) `id` ; *"


def test_output_that_is_no_utf_8_comes_back_as_the_same_bytes() -> None:
    ended = process.run(["printf", r"a\377b"])
    assert os.fsencode(ended.text) == b"a\xffb"


def test_a_signal_is_a_negative_code() -> None:
    assert process.run(["sh", "-c", "kill -9 $$"]).code == -signal.SIGKILL


def test_a_missing_program_is_127(tmp_path: Path) -> None:
    not_executable = tmp_path / "file"
    not_executable.touch()
    for program in ("sdlc-runner-no-such-program", str(not_executable), str(not_executable / "x")):
        ended = process.run([program])
        assert (ended.code, bool(ended.error_text)) == (process.NOT_FOUND, True)


def test_runs_in_a_session_of_its_own() -> None:
    theirs = process.run(python("import os; print(os.getsid(0), os.getpid())")).text.split()
    assert theirs[0] == theirs[1]


def test_a_timeout_ends_all_that_was_started() -> None:
    """The pipe ends only when nobody holds it: coming back at all shows that all are gone."""
    began = time.monotonic()
    ended = process.run(["sh", "-c", "echo begun; sleep 60 & sleep 60"], timeout=0.2)
    assert (ended.code, ended.text) == (process.TIMED_OUT, "begun")
    assert time.monotonic() - began < PATIENCE


def test_a_timeout_ends_a_program_that_will_not_end() -> None:
    ended = process.run(
        python(
            "import signal, time; signal.signal(15, signal.SIG_IGN);"
            "print('deaf', flush=True); time.sleep(60)"
        ),
        timeout=0.5,
    )
    assert (ended.code, ended.text) == (process.TIMED_OUT, "deaf")


# --- start, end_group


def test_a_started_program_is_followed(tmp_path: Path) -> None:
    child = followed(["sh", "-c", "echo line; pwd -P; exit 5"], tmp_path)
    with child:
        assert first_line(child) == "line"
        assert first_line(child) == str(tmp_path.resolve())
        assert child.wait(PATIENCE) == 5


def test_starting_a_missing_program_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        followed(["sdlc-runner-no-such-program"], tmp_path)


def test_a_started_program_gets_no_files_of_ours_but_those_named(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        child = process.start(
            python("import os, sys; os.write(int(sys.argv[1]), b'hello')", str(writing)),
            cwd=tmp_path,
            env=dict(os.environ),
            stdin=process.DEVNULL,
            stdout=process.DEVNULL,
            stderr=process.DEVNULL,
            pass_fds=[writing],
        )
        assert child.wait(PATIENCE) == 0
        assert os.read(reading, 100) == b"hello"
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param("echo ready; sleep 60", -signal.SIGTERM, id="ends when asked"),
        pytest.param("trap 'exit 7' TERM; echo ready; sleep 60 & wait", 7, id="ends in its way"),
        pytest.param("trap '' TERM; echo ready; sleep 60", -signal.SIGKILL, id="will not end"),
        pytest.param("sleep 60 & echo ready", 0, id="has ended, its children have not"),
    ],
)
def test_a_group_ends_with_all_its_members(tmp_path: Path, script: str, code: int) -> None:
    with followed(["sh", "-c", script], tmp_path) as child:
        assert first_line(child) == "ready"
        if code == 0:
            child.wait(PATIENCE)
        process.end_group(child, 0.3)
        assert child.returncode == code
        assert child.communicate(timeout=PATIENCE)[0] == b"", "nobody holds the pipe"


def test_ending_what_has_ended_is_no_error(tmp_path: Path) -> None:
    with followed(["true"], tmp_path) as child:
        child.wait(PATIENCE)
        process.end_group(child, 0.3)
        assert child.returncode == 0


STARTER = """
import os, pathlib, sys, time
from sdlc_runner import process
process.start(["sh", "-c", "echo ready; exec sleep 60"], cwd=pathlib.Path.cwd(),
              env=dict(os.environ), stdin=process.DEVNULL, stdout=1, stderr=2, dies_with_us=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_a_program_dies_with_us_however_we_end(tmp_path: Path) -> None:
    with followed(python(STARTER), tmp_path) as child:
        assert first_line(child) == "ready"
        os.kill(child.pid, signal.SIGKILL)
        assert child.communicate(timeout=PATIENCE)[0] == b"", "nobody holds the pipe"


def test_a_detached_program_outlives_who_started_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with (tmp_path / "log").open("wb") as log:
        process.start_detached(
            python("import os, sys; print('out'); os.write(int(sys.argv[1]), b'!')", str(writing)),
            cwd=tmp_path,
            env=dict(os.environ),
            output=log,
            pass_fds=[writing],
        )
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:  # ends when the program has
        assert stream.read() == b"!"
    assert (tmp_path / "log").read_bytes() == b"out\n"
