"""The attempts of a feature, from the remote and the backend together, and how they ended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from sdlc_runner.attempt import naming
from sdlc_runner.attempt.spec import BackendStatus
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.events.cursor import Position
from sdlc_runner.events.types import NUMBER_LIMIT
from sdlc_runner.orchestrator import planning
from sdlc_runner.plan.planner import Disposition
from sdlc_runner.tasks import task_line
from sdlc_runner.verify import evidence as verify_evidence
from sdlc_runner.verify import verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sdlc_runner.backends.base import AttemptStatus
    from sdlc_runner.events.codec import AttemptKey
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.verify.evidence import Evidence, RemoteRefs
    from sdlc_runner.verify.verdict import Verdict


Positions = Mapping[str, Position]
"""Attempts (``T001-1``) → how far a consumer has read them."""


@dataclass(frozen=True)
class Attempt:
    """One attempt: what the remote shows of it, and where the backend has it."""

    key: AttemptKey
    tasks: tuple[str, ...]
    evidence: Evidence
    status: AttemptStatus | None = None
    elsewhere: bool = False

    @property
    def ending(self) -> BackendStatus:
        """What its backend knows of its end."""
        return self.status.ending if self.status else BackendStatus(elsewhere=self.elsewhere)

    @property
    def alive(self) -> bool:
        """Whether the backend says that it runs."""
        return self.ending.alive

    @property
    def began(self) -> bool:
        """Whether the remote says that the agent had begun."""
        return self.evidence.start is not None

    @property
    def branch(self) -> str:
        """The branch that it pushes."""
        if self.evidence.start:
            return self.evidence.start.branch
        return self.status.spec.branch if self.status else ""

    @property
    def base(self) -> str:
        """The commit it began from."""
        if self.evidence.start:
            return self.evidence.start.base
        return self.status.spec.base if self.status else ""

    def decide(self, ending: BackendStatus | None = None) -> tuple[Verdict, ...]:
        """Say how each of its tasks ended; ``ending`` takes the place of what its backend said."""
        ending = ending or self.ending
        return tuple(verdict.decide(task, self.evidence, ending) for task in self.tasks)


class ReportedUsage(TypedDict, total=False):
    """Tokens and cost (US dollars) that an attempt reports; None where it reports none."""

    input_tokens: int | None
    output_tokens: int | None
    cost: float | None


def usage_of(result: Mapping[str, Any]) -> ReportedUsage:
    """Return what an attempt reports; only what is a number that events hold."""
    return {
        "input_tokens": _count(result.get("input_tokens")),
        "output_tokens": _count(result.get("output_tokens")),
        "cost": number(result.get("cost")),
    }


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= NUMBER_LIMIT else None


def number(value: object) -> float | None:
    """Return what an attempt reports as a number, if it is one that an event can hold."""
    if type(value) not in {int, float}:
        return None
    return value if 0 <= value <= NUMBER_LIMIT else None  # type: ignore[operator,return-value]


def list_refs(project: Project) -> RemoteRefs:
    """Ask the remote for every name that matters: the branches and the refs of the feature."""
    project.require_remote()
    prefix = project.settings.branch.prefix
    parts = prefix.split("/")
    ancestors = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    feature = naming.ref_part(project.feature.name)
    wanted = [project.branch, *ancestors, f"{prefix}/{feature}", f"{prefix}/{feature}/*"]
    return verify_evidence.list_refs(project.repo, project.feature.name, wanted)


def list_attempts(
    project: Project, *, remote_only: bool = False
) -> tuple[RemoteRefs, list[Attempt]]:
    """Return the remote's names, and every attempt of the feature in order of task and number.

    The backend is asked first: what has ended by then has pushed all that it ever will.
    With ``remote_only`` it is not asked, and what has no result may run anywhere.
    """
    project.require_remote()
    backend = None if remote_only else project.backend
    statuses = backend.list_attempts(project.feature.name, project.url) if backend else []
    where = backend.where if backend else ""
    refs = list_refs(project)
    evidence = verify_evidence.collect(project.repo, refs, refs.attempts(project.feature.name))
    by_key = {item.start.key: item for item in evidence if item.start}
    seen = {status.spec.key: status for status in statuses}
    found = [_known(key, by_key.get(key), seen.get(key), where) for key in sorted({*by_key, *seen})]
    return refs, [item for item in found if item.tasks]


def _known(
    key: AttemptKey, evidence: Evidence | None, status: AttemptStatus | None, where: str
) -> Attempt:
    evidence = evidence or verify_evidence.Evidence(naming.AttemptRefs.of(key))
    tasks = evidence.start.tasks if evidence.start else ()
    if status is None:
        began = evidence.start.where if evidence.start else None
        return Attempt(key, tasks, evidence, elsewhere=began != where)
    return Attempt(key, tasks or status.spec.task_ids, evidence, status)


def refresh(project: Project, attempts: Iterable[Attempt]) -> tuple[RemoteRefs, list[Attempt]]:
    """Look again, at the backend first: how they ended, and what the remote shows now."""
    seen = [(known, known.status and project.backend.refresh(known.status)) for known in attempts]
    refs = list_refs(project)
    return refs, [_renewed(project, known, status, refs) for known, status in seen]


def _renewed(
    project: Project, known: Attempt, status: AttemptStatus | None, refs: RemoteRefs
) -> Attempt:
    evidence = verify_evidence.collect(project.repo, refs, _roots(known, refs), known.branch)
    found = next((item for item in evidence if item.start), None)
    return _known(known.key, found, status, project.backend.where)


def _roots(known: Attempt, refs: RemoteRefs) -> Iterable[naming.AttemptRefs]:
    candidates = (naming.AttemptRefs.of(known.key, root) for root in verify_evidence.ROOTS)
    return [item for item in candidates if item.start in refs.refs]


def latest(attempts: Iterable[Attempt]) -> dict[str, Attempt]:
    """Return the newest attempt of each task."""
    newest: dict[str, Attempt] = {}
    for item in attempts:
        for task in item.tasks:
            if task not in newest or newest[task].key.number < item.key.number:
                newest[task] = item
    return newest


def canonical(word: str, known: Iterable[str]) -> str:
    """Find a task id however it was typed: ``t003``, ``task-003``, ``3``; else the word itself."""
    ids = {task_line.key(task): task for task in known}
    plain = re.sub(r"\Atask[-_]?", "", word, flags=re.IGNORECASE)
    tried = (word, plain, f"T{plain}")
    return next((ids[key] for key in map(task_line.key, tried) if key in ids), word)


def require(project: Project, newest: Mapping[str, Attempt], word: str) -> Attempt:
    """Return a task's newest attempt; raises ``no_attempt``."""
    task = canonical(word, newest)
    if task not in newest:
        raise UsageError(
            Code.NO_ATTEMPT,
            f"There is no attempt at {task}, neither on the remote nor here.",
            _how_to_start(project, task),
        )
    return newest[task]


def _how_to_start(project: Project, word: str) -> str:
    """Say what comes next for a task without attempts; ``spawn`` refuses some of them."""
    items = {item.task.id: item for item in planning.make(project, planning.Request())[0].items}
    item = items.get(canonical(word, items))
    if item is None:
        return "`sdlc-runner plan` lists the tasks of this feature."
    match item.disposition:
        case Disposition.READY:
            return f"`sdlc-runner spawn {item.task.id}` starts one."
        case Disposition.DONE | Disposition.SYNC:
            return f"It {item.reason}."
        case _:
            return f"It {item.reason}; `sdlc-runner plan` lists all."


def newest(project: Project, words: Sequence[str]) -> list[Attempt]:
    """Return the newest attempt of each named task; of all tasks where none is named."""
    found = latest(list_attempts(project)[1])
    wanted = [require(project, found, task) for task in words]
    return list({item.key: item for item in (wanted if words else found.values())}.values())
