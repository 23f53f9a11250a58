"""The arguments that commands take, and the parser that the command table makes of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdlc_runner.cli.commands import Command

_WIDTH = 100


class _Formatter(argparse.HelpFormatter):
    """Of a fixed width: asking the terminal imports what takes longer than parsing."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_WIDTH)


class Arguments(argparse.Namespace):
    """What was given; each command has those that its row lists."""

    verb: str
    json: bool
    no_color: bool
    directory: Path
    set: Sequence[str]
    scope: Sequence[str]
    tasks: Sequence[str]
    task: str
    batch: bool
    max_parallel: int | None
    parallel_stories: bool | None
    follow: bool
    cursor: str
    max_seconds: float
    max_lines: int
    detail: str | None
    watch: bool
    from_checkpoint: bool
    force: bool
    dry_run: bool
    message: str | None
    allow_verify: bool
    migrate: bool
    keep: bool
    pod: str | None
    url: bool
    text: Sequence[str]
    target: Path
    output: Path | None
    show: bool
    renamed: Mapping[str, str] = {}


class Argument(NamedTuple):
    """One argument, as ``argparse`` takes it; ``old`` is a flag's former name, still read."""

    names: tuple[str, ...]
    options: Mapping[str, Any]
    old: str = ""

    def add_to(self, parser: argparse._ActionsContainer) -> None:
        """Add it to a parser or to a group of one."""
        added = parser.add_argument(*self.names, **self.options)
        if self.old:
            parser.add_argument(
                self.old, action=_Renamed, nargs=0, dest=added.dest, const=self.names[0]
            )


class _Renamed(argparse.Action):
    """The former name of a switch: works as before, and is remembered so that a note can follow."""

    def __init__(self, option_strings: Sequence[str], dest: str, nargs: int, const: str) -> None:
        super().__init__(
            option_strings,
            dest,
            nargs=nargs,
            const=const,
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        _values: object,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, True)
        known: Mapping[str, str] = getattr(namespace, "renamed", {})
        namespace.renamed = {**known, str(option_string): str(self.const)}


def argument(*names: str, old: str = "", **options: Any) -> Argument:  # noqa: ANN401
    """Describe an argument in the words of ``add_argument``."""
    return Argument(names, options, old)


def switch(name: str, text: str, *, old: str = "") -> Argument:
    """Describe a flag without a value."""
    return argument(name, old=old, action="store_true", help=text)


def tasks(count: str, text: str) -> Argument:
    """Describe task ids: ``*`` for any number, ``+`` for at least one."""
    return argument("tasks", nargs=count, metavar="TASK", help=text)


COMMON = (
    switch("--json", "print JSON lines, on a terminal too"),
    switch("--no-color", "print without color (also: NO_COLOR)"),
    argument(
        "-C",
        "--directory",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="run in the repository that contains DIR",
    ),
    argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting for this call; `sdlc-runner config` lists them",
    ),
    argument("--backend", choices=("local", "kubernetes"), help="where attempts run"),
    argument("--namespace", metavar="NAME", help="Kubernetes namespace"),
    argument("--context", metavar="NAME", help="kubeconfig context"),
)
TASK = argument("task", metavar="TASK", help="task id")
SCOPE = (
    argument(
        "scope",
        nargs="*",
        metavar="SCOPE",
        help="T003, T003-T010, US1, phase:2, phase:setup or plain words; default: all tasks",
    ),
    switch("--batch", "let small tasks share one attempt", old="--bundle"),
    argument(
        "--parallel-stories",
        action="store_true",
        default=None,
        help="allow user stories to run side by side",
    ),
)
DETAIL = argument(
    "--detail", choices=("summary", "full"), help="summary hides what the agent says and does"
)
LIMITS = (
    argument(
        "--max-seconds", type=float, default=0, metavar="N", help="stop after N seconds (exit 4)"
    ),
    argument("--max-lines", type=int, default=0, metavar="N", help="stop after N events (exit 4)"),
    DETAIL,
)
FOLLOW = (switch("--follow", "wait for the outcome and print events until then"), *LIMITS)
CURSOR = (
    argument(
        "--cursor",
        default="",
        metavar="CURSOR|@FILE",
        help="continue after CURSOR, or after the events in FILE; default: from the first event",
    ),
    *LIMITS,
)
TEMPLATE = (
    argument("--pod-template", metavar="FILE", help="use this PodTemplate, not the namespace's"),
    argument(
        "--release", metavar="DIR", help="use the PodTemplate that `helm template` renders from DIR"
    ),
)
TARGET = argument(
    "target",
    nargs="?",
    type=Path,
    default=Path(),
    metavar="TARGET",
    help="repository; default: the current one",
)
DRY_RUN = switch("--dry-run", "only print what would be done")


def build_parser(
    commands: Mapping[str, Command], only: str | None = None
) -> argparse.ArgumentParser:
    """Build the parser of a command table; ``only`` one command's where that is enough."""
    parser = argparse.ArgumentParser(
        prog="sdlc-runner",
        formatter_class=_Formatter,
        description="Runs the [ASYNC] tasks of a spec-kit feature with agents, and trusts only "
        "what the git remote shows.",
        epilog="exit codes: 0 success, 1 a task did not succeed, 2 usage or configuration, "
        "3 remote unreachable or forbidden, 4 limit reached while work continues, 130 interrupted",
    )
    parser.add_argument("--version", action="version", version=f"sdlc-runner {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True, prog="sdlc-runner")
    common = argparse.ArgumentParser(add_help=False, formatter_class=_Formatter)
    group = common.add_argument_group("options of every command")
    for item in COMMON:
        item.add_to(group)
    for command in commands.values():
        if only in commands and command.name != only:
            continue  # building all of them takes longer than a whole plan
        added = verbs.add_parser(
            command.name,
            help=command.help,
            description=command.help[0].upper() + command.help[1:] + ".",
            epilog=f"example: sdlc-runner {command.example}",
            parents=[common],
            allow_abbrev=False,  # permission rules match whole flags only
            formatter_class=_Formatter,
        )
        for item in command.arguments:
            item.add_to(added)
    return parser
