"""``sdlc-runner``: from arguments to a verb, from errors to an exit code.

The only place that catches a ``RunnerError``; whatever is told, is told as an event too.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from sdlc_runner import config
from sdlc_runner.arguments import Arguments, build_parser
from sdlc_runner.errors import ExitCode, RunnerError, of_system
from sdlc_runner.events import EventType
from sdlc_runner.output import Output
from sdlc_runner.project import open_project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType

    from sdlc_runner.operations.following import Patience
    from sdlc_runner.project import Project

__all__ = ["build_parser", "entrypoint", "main"]

_FOLLOWS = frozenset({"run", "spawn", "follow", "watch", "retry", "cancel", "status"})
_SHORTCUTS = ("max_parallel", "parallel_stories")  # flags that are settings as well
_SUMMARY_BY_DEFAULT = frozenset({"run", "spawn", "watch", "retry", "cancel"})


class Call(NamedTuple):
    """One call of a verb: its arguments, where it prints, and what surrounds it."""

    args: Arguments
    output: Output
    environ: Mapping[str, str]
    home: Path

    def open(self) -> Project:
        """Open the project around the call's directory."""
        return open_project(self.directory, self.environ, self.home, self.flags)

    @property
    def directory(self) -> Path:
        """Where it was called."""
        return Path(self.args.directory).resolve()

    @property
    def flags(self) -> dict[str, Any]:
        """The settings that flags give."""
        given = ((key, getattr(self.args, key, None)) for key in _SHORTCUTS)
        texts = [f"{key}={value}" for key, value in given if value is not None]
        return config.from_flags([*self.args.set, *texts])

    @property
    def patience(self) -> Patience:
        """How long a follower stays."""
        from sdlc_runner.operations.following import Patience  # noqa: PLC0415

        return Patience(self.args.max_seconds, self.args.max_lines)


def _plan(call: Call) -> ExitCode:
    from sdlc_runner.operations import planning  # noqa: PLC0415 - each verb imports its own

    return planning.show(call.open(), call.args.scope, call.output, bundle=call.args.bundle)


def _run(call: Call) -> ExitCode:
    from sdlc_runner.operations import planning, running  # noqa: PLC0415

    request = planning.Request(tuple(call.args.scope), call.args.bundle)
    return running.run(call.open(), request, call.output)


def _spawn(call: Call) -> ExitCode:
    from sdlc_runner.operations import running  # noqa: PLC0415

    return running.spawn_and_follow(
        call.open(), call.args.tasks, call.output, follow=call.args.follow, patience=call.patience
    )


def _follow(call: Call) -> ExitCode:
    from sdlc_runner.operations import controlling, following, running  # noqa: PLC0415

    positions = following.positions(call.args.cursor, call.output)
    project = call.open()
    known = controlling.newest(project, call.args.tasks)
    if not call.args.tasks:
        known = [item for item in known if item.alive]
        if not known:
            call.output.note("Nothing runs.")
    return running.follow_all(project, known, call.output, call.patience, positions)


def _watch(call: Call) -> ExitCode:
    from sdlc_runner.operations import following, watching  # noqa: PLC0415

    positions = following.positions(call.args.cursor, call.output)
    return watching.watch(call.open(), call.output, call.patience, positions)


def _status(call: Call) -> ExitCode:
    from sdlc_runner.operations import status  # noqa: PLC0415

    show = status.watch_table if call.args.watch and not call.output.json else status.show
    return show(call.open(), call.output)


def _logs(call: Call) -> ExitCode:
    from sdlc_runner.operations import controlling  # noqa: PLC0415

    return controlling.logs(call.open(), call.args.task, call.output)


def _verify(call: Call) -> ExitCode:
    from sdlc_runner.operations import controlling  # noqa: PLC0415

    return controlling.verify(call.open(), call.args.tasks, call.output)


def _publish(call: Call) -> ExitCode:
    from sdlc_runner.operations import publishing  # noqa: PLC0415

    return publishing.publish(call.open(), call.args.message, call.output)


def _merge(call: Call) -> ExitCode:
    from sdlc_runner.operations import merging  # noqa: PLC0415

    return merging.merge(call.open(), call.args.tasks, call.output)


def _cancel(call: Call) -> ExitCode:
    from sdlc_runner.operations import controlling  # noqa: PLC0415

    return controlling.cancel(call.open(), call.args.tasks, call.output)


def _retry(call: Call) -> ExitCode:
    from sdlc_runner.operations import controlling, running  # noqa: PLC0415

    project = call.open()
    known = controlling.retry(
        project,
        call.args.task,
        call.output,
        from_checkpoint=call.args.from_checkpoint,
        force=call.args.force,
    )
    if not call.args.follow:
        return ExitCode.OK
    return running.follow_all(project, [known], call.output, call.patience)


def _gc(call: Call) -> ExitCode:
    from sdlc_runner.operations import cleaning  # noqa: PLC0415

    return cleaning.collect(call.open(), call.output, dry_run=call.args.dry_run)


def _doctor(call: Call) -> ExitCode:
    from sdlc_runner.operations import doctor  # noqa: PLC0415

    around = doctor.Surroundings(call.directory, call.environ, call.home, call.flags)
    return doctor.examine(around, call.output)


def _config(call: Call) -> ExitCode:
    from sdlc_runner.operations import settings  # noqa: PLC0415

    return settings.show(call.open(), call.output, allow_verify=call.args.allow_verify)


def _demo(call: Call) -> ExitCode:
    from sdlc_runner import demo  # noqa: PLC0415

    return demo.demonstrate(call.environ, call.output, keep=call.args.keep)


_VERBS: Mapping[str, Callable[[Call], ExitCode]] = {
    "plan": _plan,
    "run": _run,
    "spawn": _spawn,
    "follow": _follow,
    "watch": _watch,
    "status": _status,
    "logs": _logs,
    "verify": _verify,
    "publish": _publish,
    "merge": _merge,
    "cancel": _cancel,
    "retry": _retry,
    "gc": _gc,
    "doctor": _doctor,
    "config": _config,
    "demo": _demo,
}


def main(
    argv: Sequence[str], environ: Mapping[str, str], stdout: IO[bytes], stderr: IO[str]
) -> ExitCode:
    """Run one verb; every failure is an ``error`` event and an exit code, never a traceback."""
    args = build_parser(argv[0] if argv else None).parse_args(argv, namespace=Arguments())
    output = _output(args, environ, stdout, stderr)
    call = Call(args, output, environ, Path(environ.get("HOME") or Path.home()))
    try:
        return _VERBS[args.verb](call)
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
