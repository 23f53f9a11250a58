"""Starting an attempt again that ended before its agent began, where infrastructure failed.

After the agent began, nothing is ever started again by itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code
from sdlc_runner.events.types import Outcome
from sdlc_runner.orchestrator import launcher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.events.codec import AttemptKey
    from sdlc_runner.orchestrator.follower import Follower
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.verify.verdict import Verdict

TRIES = 3
"""Starts of one attempt, the first included."""


def is_infrastructure(verdict: Verdict) -> bool:
    """Whether nothing is wrong with the task, its template or its limits: it may well go again."""
    passing = verdict.code == Code.REMOTE_UNREACHABLE.value
    return passing or verdict.outcome is Outcome.INTERRUPTED


@dataclass
class RestartPolicy:
    """Counts how often each attempt was started."""

    project: Project
    output: Output
    _again: Counter[AttemptKey] = field(default_factory=Counter)

    def of_unbegun(self, follower: Follower) -> list[Attempt]:
        """Start again what ended without having begun; return what was started."""
        newest = {item.key: item for item in follower.known}
        bad = [item for item in newest.values() if self._may(item, follower.verdicts)]
        if not bad:
            return []
        context, tasks = launcher.prepare(self.project), self.project.load_tasks()[1].tasks
        self._again.update(item.key for item in bad)
        return [
            launcher.resume(
                self.project,
                context,
                item,
                [task for task in tasks if task.id in item.tasks],
                self.output,
            )
            for item in bad
        ]

    def _may(self, known: Attempt, verdicts: Mapping[str, Verdict]) -> bool:
        judged = [verdicts[task] for task in known.tasks if task in verdicts]
        never_began = not known.began and known.status is not None
        more = self._again[known.key] < TRIES - 1
        return never_began and more and bool(judged) and all(map(is_infrastructure, judged))
