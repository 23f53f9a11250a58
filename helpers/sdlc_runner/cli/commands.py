"""The command table: everything that is known of a command before it runs.

A new command is one row here and one module in ``commands/``. The parser, the output, the
permission rules that ``install`` writes, the launcher of the bundle and the reference pages read
this table.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner.cli import parser
from sdlc_runner.cli.parser import argument, switch, tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sdlc_runner.cli.parser import Argument
    from sdlc_runner.commands.call import Call
    from sdlc_runner.errors import ExitCode


class View(Enum):
    """What a command prints where ``--detail`` does not say."""

    FULL = "every event"
    SUMMARY = "what the agent says and does is left out"
    COMPACT = "a summary; in an OpenCode session every event, without excerpts of failures"
    TRANSCRIPT = "every event; in an OpenCode session the last ones"
    TEXT = "text for people, also where stdout is no terminal"


class Caller(Enum):
    """A model that may run a command in an OpenCode session without asking the user."""

    SESSION = "the user's own session"
    SUBAGENT = "the async-runner agent"


_BOTH = frozenset({Caller.SESSION, Caller.SUBAGENT})
_SESSION = frozenset({Caller.SESSION})


@dataclass(frozen=True)
class Command:
    """One row of the table."""

    name: str
    help: str
    example: str
    arguments: tuple[Argument, ...] = ()
    run: str = ""
    """``module:function``, imported when it is called; default: ``run`` of the module in
    ``commands/`` that has the command's name."""
    view: View = View.FULL
    stays: bool = False
    """Whether it follows attempts to their end without being asked by ``--follow``."""
    detaches: bool = False
    """Whether attempts go on when it is interrupted."""
    callers: frozenset[Caller] = frozenset()
    in_repository: bool = True
    """Whether it fails outside of a repository."""
    uses_backend: bool = True
    """Whether it may need the packages for Kubernetes."""

    @property
    def in_session(self) -> bool:
        """Whether the user's own session may run it without asking."""
        return Caller.SESSION in self.callers

    def load(self) -> Callable[[Call], ExitCode]:
        """Import what it runs."""
        module, _, name = (self.run or f"sdlc_runner.commands.{self.name}:run").partition(":")
        function: Callable[[Call], ExitCode] = getattr(importlib.import_module(module), name)
        return function


_ROWS = (
    Command(
        "plan",
        "show which tasks would run, and why the others would not",
        "plan US1",
        parser.SCOPE,
        callers=_SESSION,
    ),
    Command(
        "run",
        "plan, start, follow, verify, merge and tick tasks, wave after wave",
        "run phase:2",
        (
            *parser.SCOPE,
            argument("--max-parallel", type=int, metavar="N", help="how many attempts run at once"),
            argument("--detail", choices=("summary", "full"), help="default: summary"),
            *parser.TEMPLATE,
        ),
        view=View.SUMMARY,
        stays=True,
        detaches=True,
    ),
    Command(
        "spawn",
        "start an attempt, or re-attach to the newest one",
        "spawn T003 --follow",
        (
            tasks(
                "+",
                "ids of [ASYNC] tasks, a batch by its first; or: TASK BRANCH REPOSITORY",
            ),
            *parser.FOLLOW,
            *parser.TEMPLATE,
        ),
        view=View.SUMMARY,
        detaches=True,
        callers=_BOTH,
    ),
    Command(
        "follow",
        "print an attempt's events until its outcome",
        "follow T003 --cursor T003-1:57",
        (
            tasks("*", "task ids; default: every running attempt"),
            argument(
                "--pod", metavar="NAME", help="follow the attempt in this pod, without a checkout"
            ),
            *parser.CURSOR,
        ),
        stays=True,
        detaches=True,
        callers=_BOTH,
    ),
    Command(
        "watch",
        "print one compact stream of all running attempts",
        "watch T003 T004",
        (
            tasks("*", "wait until each of these has ended, even if it starts later"),
            *parser.CURSOR,
        ),
        view=View.COMPACT,
        stays=True,
        detaches=True,
        callers=_SESSION,
    ),
    Command(
        "status",
        "list every attempt of the feature",
        "status --watch",
        (switch("--watch", "update the table until nothing runs"),),
        detaches=True,
        callers=_BOTH,
    ),
    Command(
        "logs",
        "print the whole transcript of a task's newest attempt",
        "logs T003",
        (parser.TASK,),
        view=View.TRANSCRIPT,
        callers=_SESSION,
    ),
    Command(
        "verify",
        "decide from the remote alone how attempts ended",
        "verify T003",
        (tasks("*", "task ids; default: every task with an attempt"),),
        callers=_BOTH,
    ),
    Command(
        "publish",
        "commit and push your own work on the feature branch",
        "publish",
        (argument("-m", "--message", metavar="TEXT", help="commit message"),),
        callers=_SESSION,
    ),
    Command(
        "merge",
        "merge verified branches in plan order and tick their boxes",
        "merge",
        (tasks("*", "task ids; default: every verified task"),),
        callers=_SESSION,
    ),
    Command(
        "cancel",
        "stop attempts; unfinished work is kept in a checkpoint",
        "cancel T003",
        (tasks("+", "task ids"),),
        view=View.SUMMARY,
        detaches=True,
        callers=_SESSION,
    ),
    Command(
        "retry",
        "start the next attempt at a task",
        "retry T003 --from-checkpoint",
        (
            parser.TASK,
            switch("--from-checkpoint", "continue from the unfinished work"),
            switch("--force", "start even if one may still run on another machine"),
            *parser.FOLLOW,
            *parser.TEMPLATE,
        ),
        view=View.SUMMARY,
        detaches=True,
        callers=_SESSION,
    ),
    Command(
        "attach",
        "open a running agent's session in OpenCode",
        "attach T003",
        (
            parser.TASK,
            switch("--url", "print the address and keep it reachable until Ctrl-C"),
        ),
        detaches=True,
    ),
    Command(
        "send",
        "send a message to a running agent",
        'send T003 "use the existing parser"',
        (parser.TASK, argument("text", nargs="+", metavar="TEXT", help="message; `-`: stdin")),
    ),
    Command(
        "report",
        "write a report of the run: Markdown, timeline, tokens and cost",
        "report --output out",
        (
            argument(
                "--output",
                type=Path,
                metavar="DIR",
                help="folder for report.md and timeline.svg; default: one outside the repository",
            ),
            argument(
                "--print",
                action="store_true",
                dest="show",
                help="also print the Markdown to stdout, instead of events",
            ),
        ),
        callers=_SESSION,
    ),
    Command(
        "gc",
        "remove the branches, refs and local state of merged attempts",
        "gc --dry-run",
        (parser.DRY_RUN,),
    ),
    Command(
        "doctor",
        "check the setup step by step, and print how to fix what fails",
        "doctor",
        in_repository=False,
    ),
    Command(
        "config",
        "list every setting, its value and its source",
        "config",
        (
            switch(
                "--allow-verify",
                "allow this repository's verify.commands to run on this machine",
            ),
            switch("--migrate", "convert settings files in YAML to JSON with comments"),
        ),
    ),
    Command(
        "install",
        "copy the OpenCode bundle into a repository",
        "install ~/src/app",
        (
            parser.TARGET,
            parser.DRY_RUN,
            switch("--live-titles", "show progress in OpenCode's task rows, in this checkout only"),
        ),
        uses_backend=False,
    ),
    Command(
        "uninstall",
        "remove the OpenCode bundle from a repository",
        "uninstall ~/src/app",
        (parser.TARGET, parser.DRY_RUN),
        uses_backend=False,
    ),
    Command(
        "demo",
        "run a sample feature on this machine, without a cluster or a model",
        "demo --keep",
        (switch("--keep", "keep the demo's folder"),),
        view=View.TEXT,
        in_repository=False,
        uses_backend=False,
    ),
)
COMMANDS: Mapping[str, Command] = {row.name: row for row in _ROWS}
