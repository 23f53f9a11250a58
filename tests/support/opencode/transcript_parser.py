"""What a model makes of what our helpers print: plans, verdicts, ticks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner.events.types import Outcome

if TYPE_CHECKING:
    from support.model.request import Exchange

_PLANNED = re.compile(
    r"^(?P<task>T\d+\w*) (?P<disposition>done|sync|ready|waiting|blocked|manual|invalid)"
    r"(?: wave (?P<wave>\d+))?(?: batch (?P<batch>T\w+))? (?P<title>.*?) · ",
    re.MULTILINE,
)

_OUTCOMES = "|".join(outcome.value for outcome in Outcome)


@dataclass(frozen=True)
class Planned:
    """A task as the plan shows it."""

    task: str
    disposition: str
    wave: int
    batch: str
    title: str

    @property
    def is_sync(self) -> bool:
        return self.disposition == "sync"

    @property
    def file(self) -> str:
        """The file that the task is about."""
        found = re.search(r"`([^`]+)`", self.title)
        return found[1] if found else f"{self.task}.txt"


def verb(exchange: Exchange) -> str:
    """Return the verb that a call of the shell tool ran."""
    found = re.match(r"\S+ \S+/run\.py (\w+)", str(exchange.arguments.get("command", "")))
    return found[1] if found else ""


def plan(output: str) -> list[Planned]:
    """Read a plan."""
    return [
        Planned(
            found["task"],
            found["disposition"],
            int(found["wave"] or 0),
            found["batch"] or "",
            found["title"],
        )
        for found in _PLANNED.finditer(output)
    ]


def answers(result: str) -> list[tuple[str, str, str]]:
    """Return a subagent's words, the task of each, and all that it said."""
    inside = re.search(r"<task_result>\s*(.*?)\s*</task_result>", result, re.DOTALL)
    text = inside[1] if inside else result
    found = re.findall(r"^([A-Z]+) (T\w+)$", text, re.MULTILINE)
    return [(word, task, text) for word, task in found]


def verdicts(task: str, output: str) -> dict[str, str]:
    """Return each task's outcome, as far as it is told; or ``error`` for the one asked for."""
    if output.rstrip().rpartition("\n")[2].startswith("error: "):
        return {task: "error"}
    found = re.findall(rf"^(T\w+) ({_OUTCOMES}): ", output, re.MULTILINE)
    return {task: "", **dict(found)}


def because(output: str) -> list[str]:
    """Return what a subagent copies: the excerpt and the verdict."""
    lines = output.splitlines()
    return [*[line for line in lines if " | " in line][-7:], *lines[-1:]]
