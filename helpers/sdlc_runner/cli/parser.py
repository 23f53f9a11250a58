"""The command line: one parser a verb, each with one example."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner import __version__
from sdlc_runner.cli import options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH = 100


class _Formatter(argparse.HelpFormatter):
    """Of a fixed width: asking the terminal imports what takes longer than parsing."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_WIDTH)


class Arguments(argparse.Namespace):
    """What was given; each verb has those it asks for."""

    verb: str
    json: bool
    no_color: bool
    directory: Path
    set: Sequence[str]
    scope: Sequence[str]
    tasks: Sequence[str]
    task: str
    bundle: bool
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
    keep: bool
    pod: str | None
    url: bool
    text: Sequence[str]
    target: Path
    output: Path | None
    show: bool


def _common() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, formatter_class=_Formatter)
    group = parser.add_argument_group("everywhere")
    group.add_argument("--json", action="store_true", help="JSON lines, on a terminal too")
    group.add_argument("--no-color", action="store_true", help="no colour (also: NO_COLOR)")
    group.add_argument(
        "-C",
        "--directory",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="work in the repository around DIR",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting for this call; `sdlc-runner config` lists them",
    )
    group.add_argument("--backend", choices=("local", "kubernetes"), help="where attempts run")
    group.add_argument("--namespace", metavar="NAME", help="of Kubernetes")
    group.add_argument("--context", metavar="NAME", help="of the kubeconfig")
    return parser


class Verb(NamedTuple):
    """What a verb does, one example of it, and what adds its arguments."""

    help: str
    example: str
    adds: tuple[options.Add, ...] = ()


VERBS: Mapping[str, Verb] = {
    "plan": Verb(
        "show what would run, and why the rest would not", "plan US1", (options.add_scope,)
    ),
    "run": Verb(
        "plan, start, follow, verify, merge, tick, wave after wave",
        "run phase:2",
        (options.add_scope, options.add_run, options.add_template),
    ),
    "spawn": Verb(
        "start an attempt, or re-attach to the one there is",
        "spawn T003 --follow",
        (
            options.tasks(
                "+", "ids of [ASYNC] tasks, a bundle by its first; or: TASK BRANCH REPOSITORY"
            ),
            options.add_follow,
            options.add_template,
        ),
    ),
    "follow": Verb(
        "stream events until the outcome",
        "follow T003 --cursor T003-1:57",
        (
            options.tasks("*", "id; none: every attempt that runs"),
            options.add_pod,
            options.add_cursor,
        ),
    ),
    "watch": Verb(
        "all running attempts in one compact stream",
        "watch T003 T004",
        (
            options.tasks("*", "id: stay until each of these has ended, also if it begins later"),
            options.add_cursor,
        ),
    ),
    "status": Verb(
        "every attempt of this feature",
        "status --watch",
        (options.flag("--watch", "a live table, until nothing runs"),),
    ),
    "logs": Verb(
        "the complete transcript of a task's newest attempt", "logs T003", (options.add_task,)
    ),
    "verify": Verb(
        "how attempts ended, from the remote alone",
        "verify T003",
        (options.tasks("*", "id; none: all that have attempts"),),
    ),
    "publish": Verb(
        "commit and push your own work on the feature branch", "publish", (options.add_message,)
    ),
    "merge": Verb(
        "merge verified branches in plan order and tick their boxes",
        "merge",
        (options.tasks("*", "id; none: all that are verified"),),
    ),
    "cancel": Verb(
        "end an attempt; its work goes to a checkpoint", "cancel T003", (options.tasks("+", "id"),)
    ),
    "retry": Verb(
        "make the next attempt",
        "retry T003 --from-checkpoint",
        (
            options.add_task,
            options.FROM_CHECKPOINT,
            options.FORCE,
            options.add_follow,
            options.add_template,
        ),
    ),
    "attach": Verb(
        "open a running agent's own session in OpenCode",
        "attach T003",
        (
            options.add_task,
            options.flag("--url", "only say where it is, and keep the way open until Ctrl-C"),
        ),
    ),
    "send": Verb(
        "tell a running agent something",
        'send T003 "use the existing parser"',
        (options.add_task, options.add_text),
    ),
    "report": Verb(
        "the run as Markdown with a timeline, tokens and cost",
        "report --output out",
        (options.add_report,),
    ),
    "gc": Verb(
        "remove what was merged: branches, refs, local state",
        "gc --dry-run",
        (options.flag("--dry-run", "only say what would be removed"),),
    ),
    "doctor": Verb("prove the chain link by link, and say how to mend each", "doctor"),
    "config": Verb("every setting, its value and who set it", "config", (options.ALLOW_VERIFY,)),
    "install": Verb(
        "put the OpenCode bundle into a repository",
        "install ~/src/app",
        (
            options.add_target,
            options.flag(
                "--live-titles",
                "in this checkout also show, in OpenCode's task rows, what runs",
            ),
        ),
    ),
    "uninstall": Verb(
        "take the OpenCode bundle out again", "uninstall ~/src/app", (options.add_target,)
    ),
    "demo": Verb(
        "the whole way on this machine: no cluster, no model",
        "demo --keep",
        (options.flag("--keep", "keep the demo's folder to look around"),),
    ),
}


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Build the parser of ``sdlc-runner``; ``only`` one verb's where that is all that is needed."""
    parser = argparse.ArgumentParser(
        prog="sdlc-runner",
        formatter_class=_Formatter,
        description="Runs the [ASYNC] tasks of a spec-kit feature with agents, and believes only "
        "the git remote.",
        epilog="exit codes: 0 all well, 1 a task did not succeed, 2 usage or configuration, "
        "3 remote unreachable or forbidden, 4 time limit reached and work goes on, 130 interrupted",
    )
    parser.add_argument("--version", action="version", version=f"sdlc-runner {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, prog="sdlc-runner")
    common = _common()
    for name, verb in VERBS.items():
        if only in VERBS and name != only:
            continue  # building all of them takes longer than a whole plan
        added = verbs.add_parser(
            name,
            help=verb.help,
            description=verb.help[0].upper() + verb.help[1:] + ".",
            epilog=f"example: sdlc-runner {verb.example}",
            parents=[common],
            allow_abbrev=False,  # rules on command lines know whole flags only
            formatter_class=_Formatter,
        )
        for add in verb.adds:
            add(added)
    return parser
