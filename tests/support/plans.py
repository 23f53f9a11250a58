"""Plans of literal task files, and short views of them to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.plan import planner
from sdlc_runner.tasks import parser

if TYPE_CHECKING:
    from sdlc_runner.plan.planner import Plan, PlanItem

NONE: frozenset[str] = frozenset()


def make(
    text: str,
    *,
    scope: frozenset[str] | None = None,
    published: frozenset[str] | None = None,
    unpublished: frozenset[str] = NONE,
    failed: frozenset[str] = NONE,
    stories: bool = False,
) -> Plan:
    return planner.build(
        parser.parse(text),
        scope=scope,
        published=published,
        unpublished=unpublished,
        failed=failed,
        parallel_stories=stories,
    )


def shown(made: Plan) -> dict[str, str]:
    return {item.task.id: f"{item.disposition.value}{item.wave or ''}" for item in made.items}


def item(made: Plan, task_id: str) -> PlanItem:
    return next(each for each in made.items if each.task.id == task_id)


def ids(made: Plan) -> list[list[str]]:
    return [["+".join(task.id for task in unit.tasks) for unit in wave] for wave in made.waves]
