"""The arguments that verbs take: each function adds some to a verb's parser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

Add = Callable[["argparse.ArgumentParser"], None]

_SCOPE_HELP = "T003, T003-T010, US1, phase:2, phase:setup, or your own words; nothing: everything"


def add_scope(parser: argparse.ArgumentParser) -> None:
    """Take what to plan."""
    parser.add_argument("scope", nargs="*", metavar="SCOPE", help=_SCOPE_HELP)
    parser.add_argument("--bundle", action="store_true", help="small tasks share an attempt")
    parser.add_argument(
        "--parallel-stories",
        action="store_true",
        default=None,
        help="user stories may run side by side",
    )


def add_patience(parser: argparse.ArgumentParser) -> None:
    """Take how long to follow."""
    parser.add_argument(
        "--max-seconds", type=float, default=0, metavar="N", help="stop after N seconds (exit 4)"
    )
    parser.add_argument(
        "--max-lines", type=int, default=0, metavar="N", help="stop after N events (exit 4)"
    )
    parser.add_argument(
        "--detail", choices=("summary", "full"), help="summary leaves out the agent's chatter"
    )


def add_cursor(parser: argparse.ArgumentParser) -> None:
    """Take where to go on."""
    parser.add_argument(
        "--cursor",
        default="",
        metavar="CURSOR|@FILE",
        help="go on after it; @FILE: after the events in FILE; none: from the first event",
    )
    add_patience(parser)


def add_task(parser: argparse.ArgumentParser) -> None:
    """Take one task."""
    parser.add_argument("task", metavar="TASK", help="id")


def add_follow(parser: argparse.ArgumentParser) -> None:
    """Take whether to stay."""
    parser.add_argument("--follow", action="store_true", help="stay until the outcome")
    add_patience(parser)


def add_template(parser: argparse.ArgumentParser) -> None:
    """Take where the pod template is from."""
    parser.add_argument(
        "--pod-template", metavar="FILE", help="take this PodTemplate, not the namespace's"
    )
    parser.add_argument(
        "--release", metavar="DIR", help="take the PodTemplate that `helm template` makes of DIR"
    )


def tasks(count: str, text: str) -> Add:
    """Return what takes ids."""

    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("tasks", nargs=count, metavar="TASK", help=text)

    return add


def flag(name: str, text: str) -> Add:
    """Return what takes a switch."""

    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(name, action="store_true", help=text)

    return add


def add_run(parser: argparse.ArgumentParser) -> None:
    """Take what only ``run`` has."""
    parser.add_argument("--max-parallel", type=int, metavar="N", help="attempts that run at once")
    parser.add_argument("--detail", choices=("summary", "full"), help="default: summary")


def add_pod(parser: argparse.ArgumentParser) -> None:
    """Take a pod."""
    parser.add_argument("--pod", metavar="NAME", help="the attempt in that pod; needs no checkout")


def add_report(parser: argparse.ArgumentParser) -> None:
    """Take where a report goes."""
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="write report.md and timeline.svg there; default: a folder outside of the repository",
    )
    parser.add_argument(
        "--print",
        action="store_true",
        dest="show",
        help="write the Markdown to stdout too, in place of events",
    )


def add_message(parser: argparse.ArgumentParser) -> None:
    """Take a commit message."""
    parser.add_argument("-m", "--message", metavar="TEXT", help="commit message")


def add_text(parser: argparse.ArgumentParser) -> None:
    """Take a text."""
    parser.add_argument("text", nargs="+", metavar="TEXT", help="what to tell it; `-`: read stdin")


def add_target(parser: argparse.ArgumentParser) -> None:
    """Take a repository."""
    parser.add_argument(
        "target",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="TARGET",
        help="a repository; none: the one around the current folder",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


FROM_CHECKPOINT = flag("--from-checkpoint", "go on with unfinished work")
FORCE = flag("--force", "even beside one that may still run on another machine")
ALLOW_VERIFY = flag(
    "--allow-verify", "agree that this repository's verify.commands run on this machine"
)
