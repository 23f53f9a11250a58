"""The command line: one parser a verb, each with one example."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    dry_run: bool
    message: str | None
    allow_verify: bool
    keep: bool


def _common() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
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
    return parser


_SCOPE_HELP = "T003, T003-T010, US1, phase:2, phase:setup, or your own words; nothing: everything"


class _Verbs:
    """Adds verbs to a parser, all with the common options."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        self._common = _common()

    def add(self, name: str, text: str, example: str) -> argparse.ArgumentParser:
        """Add one verb; ``example`` is shown by its ``--help``."""
        return self._verbs.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=f"example: sdlc-runner {example}",
            parents=[self._common],
        )


def _add_scope(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scope", nargs="*", metavar="SCOPE", help=_SCOPE_HELP)
    parser.add_argument("--bundle", action="store_true", help="small tasks share an attempt")
    parser.add_argument(
        "--parallel-stories",
        action="store_true",
        default=None,
        help="user stories may run side by side",
    )


def _add_patience(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-seconds", type=float, default=0, metavar="N", help="stop after N seconds (exit 4)"
    )
    parser.add_argument(
        "--max-lines", type=int, default=0, metavar="N", help="stop after N events (exit 4)"
    )
    parser.add_argument(
        "--detail", choices=("summary", "full"), help="summary leaves out the agent's chatter"
    )


def _add_tasks(parser: argparse.ArgumentParser, count: str, text: str) -> None:
    parser.add_argument("tasks", nargs=count, metavar="TASK", help=text)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of ``sdlc-runner``."""
    parser = argparse.ArgumentParser(
        prog="sdlc-runner",
        description="Runs the [ASYNC] tasks of a spec-kit feature with agents, and believes only "
        "the git remote.",
        epilog="exit codes: 0 all well, 1 a task did not succeed, 2 usage or configuration, "
        "3 remote unreachable or forbidden, 4 time limit reached and work goes on, 130 interrupted",
    )
    parser.add_argument("--version", action="version", version=f"sdlc-runner {__version__}")
    verbs = _Verbs(parser)
    _add_planning(verbs)
    _add_looking(verbs)
    _add_changing(verbs)
    _add_helping(verbs)
    return parser


def _add_planning(verbs: _Verbs) -> None:
    _add_scope(verbs.add("plan", "show what would run, and why the rest would not", "plan US1"))
    run = verbs.add(
        "run", "plan, start, follow, verify, merge, tick, wave after wave", "run phase:2"
    )
    _add_scope(run)
    run.add_argument("--max-parallel", type=int, metavar="N", help="attempts that run at once")
    run.add_argument("--detail", choices=("summary", "full"), help="default: summary")
    spawn = verbs.add(
        "spawn", "start an attempt, or re-attach to the one there is", "spawn T003 --follow"
    )
    _add_tasks(spawn, "+", "id of an [ASYNC] task")
    spawn.add_argument("--follow", action="store_true", help="stay until the outcome")
    _add_patience(spawn)


def _add_looking(verbs: _Verbs) -> None:
    follow = verbs.add(
        "follow", "stream events until the outcome", "follow T003 --cursor T003-1:57"
    )
    _add_tasks(follow, "*", "id; none: every attempt that runs")
    follow.add_argument(
        "--cursor",
        default="",
        metavar="CURSOR|@FILE",
        help="go on after it; @FILE: after the events in FILE; none: from the first event",
    )
    _add_patience(follow)
    _add_patience(verbs.add("watch", "all running attempts in one compact stream", "watch"))
    status = verbs.add("status", "every attempt of this feature", "status --watch")
    status.add_argument("--watch", action="store_true", help="a live table, until nothing runs")
    logs = verbs.add("logs", "the complete transcript of a task's newest attempt", "logs T003")
    logs.add_argument("task", metavar="TASK", help="id")
    verify = verbs.add("verify", "how attempts ended, from the remote alone", "verify T003")
    _add_tasks(verify, "*", "id; none: all that have attempts")


def _add_changing(verbs: _Verbs) -> None:
    publish = verbs.add("publish", "commit and push your own work on the feature branch", "publish")
    publish.add_argument("-m", "--message", metavar="TEXT", help="commit message")
    merge = verbs.add(
        "merge", "merge verified branches in plan order and tick their boxes", "merge"
    )
    _add_tasks(merge, "*", "id; none: all that are verified")
    cancel = verbs.add("cancel", "end an attempt; its work goes to a checkpoint", "cancel T003")
    _add_tasks(cancel, "+", "id")
    retry = verbs.add("retry", "make the next attempt", "retry T003 --from-checkpoint")
    retry.add_argument("task", metavar="TASK", help="id")
    retry.add_argument("--from-checkpoint", action="store_true", help="go on with unfinished work")
    retry.add_argument("--follow", action="store_true", help="stay until the outcome")
    _add_patience(retry)
    gc = verbs.add("gc", "remove what was merged: branches, refs, local state", "gc --dry-run")
    gc.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def _add_helping(verbs: _Verbs) -> None:
    verbs.add("doctor", "prove the chain link by link, and say how to mend each", "doctor")
    config = verbs.add("config", "every setting, its value and who set it", "config")
    config.add_argument(
        "--allow-verify",
        action="store_true",
        help="agree that this repository's verify.commands run on this machine",
    )
    demo = verbs.add("demo", "the whole way on this machine: no cluster, no model", "demo --keep")
    demo.add_argument("--keep", action="store_true", help="keep the demo's folder to look around")
