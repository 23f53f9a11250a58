"""Starting an attempt again that ended before its agent began, where infrastructure failed.

After the agent began, nothing is ever started again by itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code
from sdlc_runner.events.codec import Outcome
from sdlc_runner.orchestrator import launcher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.events.codec import AttemptKey
    from sdlc_runner.orchestrator.follower import Follower
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import KnownAttempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.verify.verdict import Judgement

TRIES = 3
"""Starts of one attempt, the first included."""


def is_infrastructure(judgement: Judgement) -> bool:
    """Whether nothing is wrong with the task, its template or its limits: it may well go again."""
    passing = judgement.code == Code.REMOTE_UNREACHABLE.value
    return passing or judgement.outcome is Outcome.INTERRUPTED


@dataclass
class Renewal:
    """Counts how often each attempt was started."""

    project: Project
    output: Output
    _again: Counter[AttemptKey] = field(default_factory=Counter)

    def of_unbegun(self, follower: Follower) -> list[KnownAttempt]:
        """Start again what ended without having begun; return what was started."""
        newest = {item.key: item for item in follower.known}
        bad = [item for item in newest.values() if self._may(item, follower.judgements)]
        if not bad:
            return []
        ground, tasks = launcher.survey(self.project), self.project.load_tasks()[1].tasks
        self._again.update(item.key for item in bad)
        return [
            launcher.resume(
                self.project,
                ground,
                item,
                [task for task in tasks if task.id in item.tasks],
                self.output,
            )
            for item in bad
        ]

    def _may(self, known: KnownAttempt, judgements: Mapping[str, Judgement]) -> bool:
        judged = [judgements[task] for task in known.tasks if task in judgements]
        never_began = not known.began and known.sighting is not None
        more = self._again[known.key] < TRIES - 1
        return never_began and more and bool(judged) and all(map(is_infrastructure, judged))
