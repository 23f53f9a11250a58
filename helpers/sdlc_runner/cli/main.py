"""``sdlc-runner``: from arguments to a verb, from errors to an exit code.

The only place that catches a ``RunnerError``; whatever is told, is told as an event too.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sdlc_runner.cli.commands import RUNS, Call
from sdlc_runner.cli.parser import Arguments, build_parser
from sdlc_runner.errors import ExitCode, RunnerError, of_system
from sdlc_runner.events.codec import EventType
from sdlc_runner.output import opencode_session
from sdlc_runner.output.output import Output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType


__all__ = ["build_parser", "entrypoint", "main"]

_FOLLOWS = frozenset({"run", "spawn", "follow", "watch", "retry", "cancel", "status", "attach"})
_STAYS = frozenset({"run", "follow", "watch"})
_SUMMARY_BY_DEFAULT = frozenset({"run", "spawn", "watch", "retry", "cancel"})


def main(
    argv: Sequence[str], environ: Mapping[str, str], stdout: IO[bytes], stderr: IO[str]
) -> ExitCode:
    """Run one verb; every failure is an ``error`` event and an exit code, never a traceback."""
    args = build_parser(argv[0] if argv else None).parse_args(argv, namespace=Arguments())
    output = _output(args, environ, stdout, stderr)
    call = Call(args, output, environ, Path(environ.get("HOME") or Path.home()))
    code = _run(call)
    try:
        output.close()
    except BrokenPipeError:
        return ExitCode.INTERRUPTED
    return code


def _run(call: Call) -> ExitCode:
    args, output = call.args, call.output
    try:
        return RUNS[args.verb](call)
    except RunnerError as error:
        _tell(output, error)
        return error.exit_code
    except BrokenPipeError:
        return ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        return _detach(args, output)
    except OSError as error:
        _tell(output, of_system(error))
        return ExitCode.TASK_FAILED


def _output(
    args: Arguments, environ: Mapping[str, str], stdout: IO[bytes], stderr: IO[str]
) -> Output:
    terminal = stdout.isatty()
    if opencode_session.is_inside(environ) and not (args.json or terminal):
        return _session_output(args, environ, stdout, stderr)
    json = args.json or not (terminal or args.verb == "demo")
    colour = not (args.no_color or environ.get("NO_COLOR") or environ.get("TERM") == "dumb")
    detail = getattr(args, "detail", None)
    summary = detail == "summary" or (not detail and args.verb in _SUMMARY_BY_DEFAULT)
    return Output(
        stdout,
        stderr,
        json=json,
        colour=colour and (stderr.isatty() if json else terminal),
        live=json and stderr.isatty() and not terminal,
        summary=summary,
    )


def _session_output(
    args: Arguments, environ: Mapping[str, str], stdout: IO[bytes], stderr: IO[str]
) -> Output:
    """Make the output for a model; who only looks on leaves when its session is gone."""
    from sdlc_runner.output.live_line import LiveLine  # noqa: PLC0415 - only there
    from sdlc_runner.output.opencode import SessionOutput  # noqa: PLC0415

    follows = args.verb in _STAYS or getattr(args, "follow", False)
    if follows:
        opencode_session.leave_when_gone(environ)
    detail = getattr(args, "detail", None) or ("full" if args.verb == "watch" else "summary")
    return SessionOutput(
        stdout,
        stderr,
        LiveLine(environ),
        follows=follows,
        summary=follows and detail == "summary",
        excerpts=args.verb != "watch",  # whoever handed the task over tells them
        tail=args.verb == "logs",
    )


def _tell(output: Output, error: RunnerError) -> None:
    output.tell(
        EventType.ERROR,
        code=error.code.value,
        message=error.message,
        hint=error.hint or None,
        line=error.line,
    )


def _detach(args: Arguments, output: Output) -> ExitCode:
    """Say that a signal ended only who looked on."""
    if args.verb in _FOLLOWS:
        output.note(
            "Detached: what runs goes on. The same command re-attaches; "
            "`sdlc-runner cancel TASK` ends an attempt."
        )
    else:
        output.note("Interrupted.")
    return ExitCode.INTERRUPTED


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def entrypoint() -> None:
    """Run as the console command."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        code = main(sys.argv[1:], os.environ, sys.stdout.buffer, sys.stderr)
    except (KeyboardInterrupt, BrokenPipeError):
        code = ExitCode.INTERRUPTED
    except OSError as error:  # stdout itself cannot be written
        output = Output(sys.stdout.buffer, sys.stderr)
        output.note(f"error: stdout cannot be written: {error.strerror}")
        code = ExitCode.TASK_FAILED
    # A reader that is gone must not turn the last flush into a traceback.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(int(code))
