"""``sdlc-runner``: from arguments to a command, from errors to an exit code.

The only place that catches a ``RunnerError``: each becomes an ``error`` event.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sdlc_runner.cli.commands import COMMANDS, View
from sdlc_runner.cli.parser import Arguments, build_parser
from sdlc_runner.errors import ExitCode, RunnerError, of_system
from sdlc_runner.events.types import ErrorEvent
from sdlc_runner.output.output import Output, in_opencode_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    from sdlc_runner.cli.commands import Command
    from sdlc_runner.commands.call import Call


def main(
    argv: Sequence[str],
    environ: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[str],
    commands: Mapping[str, Command] = COMMANDS,
) -> ExitCode:
    """Run one command; a failure is an ``error`` event and an exit code, never a traceback."""
    parser = build_parser(commands, argv[0] if argv else None)
    args = parser.parse_args(argv, namespace=Arguments())
    command = commands[args.verb]
    output = _output(command, args, environ, stdout, stderr)
    for old, new in args.renamed.items():
        output.note(f"{old} is now {new}; the old name will be removed.")
    code = _run(command, make_call(args, output, environ, commands))
    try:
        output.close()
    except BrokenPipeError:
        return ExitCode.INTERRUPTED
    return code


def make_call(
    args: Arguments,
    output: Output,
    environ: Mapping[str, str],
    commands: Mapping[str, Command],
) -> Call:
    """Put together what a command's function is given."""
    from sdlc_runner.commands.call import Call  # noqa: PLC0415 - --help and --version need none

    home = Path(environ.get("HOME") or Path.home())
    return Call(args, output, environ, home, commands)


def _run(command: Command, call: Call) -> ExitCode:
    output = call.output
    try:
        return command.load()(call)
    except RunnerError as error:
        _emit_error(output, error)
        return error.exit_code
    except BrokenPipeError:
        return ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        output.note(_DETACHED if command.detaches else "Interrupted.")
        return ExitCode.INTERRUPTED
    except OSError as error:
        _emit_error(output, of_system(error))
        return ExitCode.TASK_FAILED


_DETACHED = (
    "Detached: attempts go on. Run the same command to re-attach, "
    "or `sdlc-runner cancel TASK` to stop one."
)


def _output(
    command: Command,
    args: Arguments,
    environ: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[str],
) -> Output:
    terminal = stdout.isatty()
    if in_opencode_session(environ) and not (args.json or terminal):
        return _session_output(command, args, environ, stdout, stderr)
    json = args.json or not (terminal or command.view is View.TEXT)
    color = not (args.no_color or environ.get("NO_COLOR") or environ.get("TERM") == "dumb")
    detail = getattr(args, "detail", None)
    summary = detail == "summary" or (not detail and command.view in {View.SUMMARY, View.COMPACT})
    return Output(
        stdout,
        stderr,
        json=json,
        colour=color and (stderr.isatty() if json else terminal),
        live=json and stderr.isatty() and not terminal,
        summary=summary,
    )


def _session_output(
    command: Command,
    args: Arguments,
    environ: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[str],
) -> Output:
    """Make the output for a model; a command that only follows ends with the model's session."""
    from sdlc_runner.output import opencode_session  # noqa: PLC0415 - only in a session

    follows = command.stays or getattr(args, "follow", False)
    if follows:
        opencode_session.exit_with_opencode(environ)
    compact = command.view is View.COMPACT
    detail = getattr(args, "detail", None) or ("full" if compact else "summary")
    return opencode_session.OpenCodeOutput(
        stdout,
        stderr,
        opencode_session.LiveLine(environ),
        follows=follows,
        summary=follows and detail == "summary",
        excerpts=not compact,  # the subagent that was given the task prints them
        tail=command.view is View.TRANSCRIPT,
    )


def _emit_error(output: Output, error: RunnerError) -> None:
    output.emit(
        ErrorEvent(
            code=error.code.value, message=error.message, hint=error.hint or None, line=error.line
        )
    )


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
