"""The command line: every verb outside of a repository, with wrong flags, with --help; Ctrl-C."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time

import pytest

from sdlc_runner.cli.commands import COMMANDS
from sdlc_runner.cli.parser import build_parser
from support.harness import FEATURE, Harness

VERBS = sorted(COMMANDS)
NEEDS = {verb: ["T001"] for verb in ("spawn", "logs", "cancel", "retry", "attach")}
NEEDS["send"] = ["T001", "go on"]
IN_REPOSITORY = sorted(row.name for row in COMMANDS.values() if row.in_repository)


def arguments(verb: str) -> list[str]:
    return [verb, *NEEDS.get(verb, [])]


@pytest.mark.parametrize("verb", IN_REPOSITORY)
def test_a_verb_outside_of_a_repository(harness: Harness, verb: str) -> None:
    done = harness.run(*arguments(verb), cwd=harness.folder)
    assert (done.code, done.error["code"]) == (2, "no_repository")
    assert done.error["message"] in done.stderr
    assert "git init" in done.error["hint"]


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_flag(harness: Harness, verb: str) -> None:
    done = harness.run(*arguments(verb), "--no-such-flag")
    assert done.code == 2
    assert "--no-such-flag" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("argv", [[], ["no-such-verb"], ["spawn"], ["logs"], ["retry", "a", "b"]])
def test_a_call_that_is_none(harness: Harness, argv: list[str]) -> None:
    done = harness.run(*argv)
    assert done.code == 2
    assert "usage: sdlc-runner" in done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_one_example_that_the_parser_takes(harness: Harness, verb: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sdlc_runner", verb, "--help"],
        cwd=harness.folder,
        env=harness.env,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (example,) = (line for line in done.stdout.splitlines() if line.startswith("example: "))
    program, *words = shlex.split(example.removeprefix("example: "))
    assert program == "sdlc-runner"
    assert build_parser(COMMANDS).parse_args(words).verb == verb


SLOW = ["run", "merge", "publish", "status", "verify", "report", "gc", "doctor", "follow"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("verb", SLOW)
def test_a_signal_ends_it_at_once_on_a_remote_that_does_not_answer(
    harness: Harness, verb: str, number: signal.Signals
) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `one.txt`\n")
    harness.git("remote", "set-url", "origin", "ssh://git@localhost/x.git")
    asked = harness.folder / "asked"
    process = harness.start(verb, GIT_SSH_COMMAND=f"touch {shlex.quote(str(asked))}; sleep 60; :")
    harness.wait_for(asked)
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert '"error"' not in out
    assert harness.remote_refs().keys() == {"refs/heads/main", f"refs/heads/{FEATURE}"}
