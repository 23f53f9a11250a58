"""The plan: each task's disposition with its reason, and the waves of attempts-to-be."""

from __future__ import annotations

from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.plan import blockers, graph
from sdlc_runner.plan import blockers as plan_blockers
from sdlc_runner.plan import graph as plan_graph
from sdlc_runner.plan.blockers import Blocker, Standing
from sdlc_runner.tasks import mentions
from sdlc_runner.tasks.parser import Mode
from sdlc_runner.tasks.scope import TaskIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sdlc_runner.plan.graph import Declared, Graph
    from sdlc_runner.tasks.parser import Problem, Task, TaskFile


SAME_FILE_LIMIT = 8


def group(
    graph: Graph, tasks: Sequence[Task], runs: Iterable[Sequence[int]], small: int = 0
) -> list[tuple[int, ...]]:
    """Split runs of consecutive tasks into bundles, most of them of one task.

    A task joins only if it is ready whenever the bundle's first task is.
    """
    bundles: list[_Bundle] = []
    for run in runs:
        current: _Bundle | None = None
        for at in run:
            if current is None or not current.takes(at, small):
                current = _Bundle(graph, tasks, at)
                bundles.append(current)
            else:
                current.members.append(at)
    return [tuple(bundle.members) for bundle in bundles]


class _Bundle:
    def __init__(self, graph: Graph, tasks: Sequence[Task], first: int) -> None:
        self.graph = graph
        self.tasks = tasks
        self.members = [first]
        self.above: set[int] | None = None

    def takes(self, at: int, small: int) -> bool:
        size = len(self.members)
        by_file = size < SAME_FILE_LIMIT and self._shares_file(at)
        return (by_file or size < small) and self._ready_together(at)

    def _shares_file(self, at: int) -> bool:
        names = self.tasks[at].files
        held = dict.fromkeys(name for each in self.members for name in self.tasks[each].files)
        if any(name in held and not name.endswith("/") for name in names):
            return True
        # Two [P] tasks in one folder may run side by side once the folder's own task is done.
        return not self.tasks[at].parallel and any(
            mentions.overlaps(name, other) for name in names for other in held
        )

    def _ready_together(self, at: int) -> bool:
        first = self.members[0]
        outside = self.graph.front(at) - set(self.members)
        if outside <= self.graph.front(first) and not self.graph.forward:
            return True
        if self.above is None:
            self.above = self.graph.above(first)
        return at not in self.above and outside <= self.above


FALSE_PARALLEL = "false_parallel"


class Disposition(str, Enum):
    """What the plan says of a task."""

    DONE = "done"
    SYNC = "sync"
    READY = "ready"
    WAITING = "waiting"
    BLOCKED = "blocked"
    MANUAL = "manual"
    INVALID = "invalid"


class PlanWarning(NamedTuple):
    """Something about a task that is worth a look and stops nothing."""

    code: str
    message: str


class PlanItem(NamedTuple):
    """One task in the plan; ``bundle`` names the first task of its attempt."""

    task: Task
    disposition: Disposition
    reason: str
    wave: int | None = None
    bundle: str | None = None
    warnings: tuple[PlanWarning, ...] = ()
    waits_for: tuple[str, ...] = ()


class Unit(NamedTuple):
    """An attempt-to-be: its tasks in order, named by the first."""

    id: str
    tasks: tuple[Task, ...]
    wave: int


class Plan(NamedTuple):
    """All tasks in file order, and per wave the attempts that may run at the same time."""

    items: tuple[PlanItem, ...]
    waves: tuple[tuple[Unit, ...], ...]
    problems: tuple[Problem, ...]


def build(
    task_file: TaskFile,
    *,
    scope: frozenset[str] | None = None,
    published: frozenset[str] | None = None,
    unpublished: frozenset[str] = frozenset(),
    failed: frozenset[str] = frozenset(),
    parallel_stories: bool = False,
    bundle_small: int = 0,
) -> Plan:
    """Plan the file; raises nothing: what is wrong with tasks is in ``problems``.

    ``published`` are the ids ticked in the remote's feature branch (None: no such branch),
    ``unpublished`` the done SYNC tasks whose work is not pushed, ``failed`` those whose
    attempt failed. Only tasks in ``scope`` (None: all) become units.
    """
    known = TaskIndex(task_file)
    pending = [
        not task.done and not _is_published(task, known, published) for task in task_file.tasks
    ]
    needs = plan_graph.read(task_file, known, pending, parallel_stories=parallel_stories)
    built = graph.build(task_file, pending, needs.needs, parallel_stories=parallel_stories)
    planner = _Planner(task_file.tasks, pending, needs, built)
    planner.hold_own(scope, failed)
    planner.hold_unpublished(
        graph.build(
            task_file,
            [True] * len(pending),
            needs.needs,
            parallel_stories=parallel_stories,
        )
        if unpublished
        else None,
        unpublished,
    )
    planner.place(bundle_small)
    items = tuple(planner.item(at) for at in range(len(pending)))
    return Plan(items, planner.waves(), tuple(needs.problems))


def _is_published(task: Task, known: TaskIndex, published: frozenset[str] | None) -> bool:
    # A tick in the remote's file under an id that two lines share says nothing of either.
    return published is not None and task.id in published and len(known.exact(task.id)) == 1


class _Planner:
    """The facts gathered so far, all by the tasks' positions in the file."""

    def __init__(
        self, tasks: tuple[Task, ...], pending: list[bool], needs: Declared, built: Graph
    ) -> None:
        self.tasks = tasks
        self.pending = pending
        self.declared = needs
        self.graph = built
        self.own: list[Standing] = []
        self.before: list[Standing] = []
        self.outside: set[int] = set()
        self.failed: set[int] = set()
        self.manual: set[int] = set()
        self.bundle: dict[int, tuple[int, ...]] = {}
        self.wave: list[int] = []
        self.named: dict[frozenset[int], tuple[str, ...]] = {}

    def hold_own(self, scope: frozenset[str] | None, failed: frozenset[str]) -> None:
        """Say of each task by what it holds up those that wait for it."""
        for at, task in enumerate(self.tasks):
            if scope is not None and task.id not in scope:
                self.outside.add(at)
            if self.pending[at] and task.mode is Mode.ASYNC and task.id in failed:
                self.failed.add(at)
            if self.pending[at] and blockers.is_manual(task):
                self.manual.add(at)
            self.own.append(Standing(self._hold(at), -at))

    def _hold(self, at: int) -> Blocker:
        if not self.pending[at]:
            return Blocker.NONE
        if at in self.declared.invalid or at in self.failed:
            return Blocker.INVALID
        if self.tasks[at].mode is Mode.SYNC or at in self.manual:
            return Blocker.YOURS
        return Blocker.SCOPE if at in self.outside else Blocker.NONE

    def hold_unpublished(self, everything: Graph | None, unpublished: frozenset[str]) -> None:
        """Find what holds each task, its own resting on unpublished work included."""
        self.before = blockers.find(self.graph, self.own, self.outside)
        if everything is None:
            return
        origins = [
            at
            for at, task in enumerate(self.tasks)
            if task.id in unpublished and task.mode is Mode.SYNC and not self.pending[at]
        ]
        for at, origin in blockers.resting(everything, origins).items():
            self.before[at] = max(self.before[at], Standing(Blocker.UNPUBLISHED, -origin))

    def place(self, small: int) -> None:
        """Form the bundles and give each its wave."""
        groups = group(self.graph, self.tasks, self._runs(), small)
        for members in groups:
            self.bundle.update(dict.fromkeys(members, members))
            for at in members[1:]:
                self.graph.waits[at].append(members[0])
        waves = [0] * len(self.graph.waits)
        for node in blockers.order(self.graph):
            first = self.bundle[node][0] if node in self.bundle else node
            earlier = max((waves[each] for each in self.graph.waits[node]), default=0)
            begins = node < len(self.tasks) and first == node
            waves[node] = waves[first] if first != node else earlier + begins
        self.wave = waves

    def _runs(self) -> Iterator[list[int]]:
        """Yield the tasks to run that stand next to each other among the open ones of a phase."""
        still_open = (at for at, pending in enumerate(self.pending) if pending)
        for (_, free), run in groupby(still_open, self._neighbourhood):
            if free:
                yield list(run)

    def _neighbourhood(self, at: int) -> tuple[int, bool]:
        free = self.own[at].hold is Blocker.NONE and self.before[at].hold is Blocker.NONE
        return self.tasks[at].phase, free

    def waves(self) -> tuple[tuple[Unit, ...], ...]:
        """Return the units of each wave in file order."""
        found: dict[int, list[Unit]] = {}
        for at in sorted({members[0] for members in self.bundle.values()}):
            tasks = tuple(self.tasks[each] for each in self.bundle[at])
            unit = Unit(tasks[0].id, tasks, self.wave[at])
            found.setdefault(unit.wave, []).append(unit)
        return tuple(tuple(found[wave]) for wave in sorted(found))

    def item(self, at: int) -> PlanItem:
        """Return the finished verdict on one task."""
        disposition, reason = self._verdict(at)
        members = self.bundle.get(at)
        return PlanItem(
            self.tasks[at],
            disposition,
            reason,
            wave=self.wave[at] if members else None,
            bundle=self.tasks[members[0]].id if members and len(members) > 1 else None,
            warnings=self._warnings(at),
            waits_for=self._waits_for(at),
        )

    def _verdict(self, at: int) -> tuple[Disposition, str]:
        task = self.tasks[at]
        if not self.pending[at]:
            return Disposition.DONE, plan_blockers.done(task)
        if at in self.declared.invalid:
            return Disposition.INVALID, self.declared.invalid[at]
        if task.mode is Mode.SYNC:
            return Disposition.SYNC, plan_blockers.sync(task)
        if at in self.manual:
            return Disposition.MANUAL, plan_blockers.manual()
        return self._agents_verdict(at, task)

    def _agents_verdict(self, at: int, task: Task) -> tuple[Disposition, str]:
        """Return the verdict on an open task that an agent may do."""
        if at in self.failed:
            return Disposition.BLOCKED, plan_blockers.failed(task)
        held = self.before[at]
        if held.hold is Blocker.NONE:
            return self._free(at)
        reason = plan_blockers.held(held, self.tasks, failure=held.origin in self.failed)
        blocked = held.hold is Blocker.INVALID
        return (Disposition.BLOCKED if blocked else Disposition.WAITING), reason

    def _free(self, at: int) -> tuple[Disposition, str]:
        members = self.bundle.get(at, (at,))
        earlier = sorted(self.graph.front(members[0]))
        if earlier:
            return Disposition.WAITING, plan_blockers.waiting(
                [self.tasks[each] for each in earlier]
            )
        return Disposition.READY, plan_blockers.ready(self.tasks[members[0]], self.tasks[at])

    def _waits_for(self, at: int) -> tuple[str, ...]:
        if not self.pending[at]:
            return ()
        front = self.graph.front(at)
        if at in self.bundle and len(self.bundle[at]) > 1:
            front = (front | self.graph.front(self.bundle[at][0])) - frozenset(self.bundle[at])
        if front not in self.named:
            self.named[front] = tuple(self.tasks[each].id for each in sorted(front))
        return self.named[front]

    def _warnings(self, at: int) -> tuple[PlanWarning, ...]:
        if not self.pending[at] or not self.tasks[at].parallel:
            return ()
        shared = self.graph.shared.get(at, ())
        return tuple(
            _false_parallel(self.tasks[at], self.tasks[each])
            for each in shared
            if self.tasks[each].phase == self.tasks[at].phase
        )


def _false_parallel(task: Task, earlier: Task) -> PlanWarning:
    name = next(
        (name for name in task.files if any(mentions.overlaps(name, own) for own in earlier.files)),
        "the same file",
    )
    return PlanWarning(
        FALSE_PARALLEL,
        f"{task.id} (line {task.line}) is marked [P], but {earlier.id} (line {earlier.line}) "
        f"names {name} too; they run one after the other",
    )
