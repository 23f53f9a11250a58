"""The waiting graph: what waits for what, by phases, order, files and declared dependencies."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code
from sdlc_runner.tasks import mentions
from sdlc_runner.tasks.mentions import ReferenceKind
from sdlc_runner.tasks.parser import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sdlc_runner.tasks.mentions import Reference
    from sdlc_runner.tasks.parser import Task, TaskFile
    from sdlc_runner.tasks.scope import TaskIndex


def components(waits: Sequence[Sequence[int]]) -> list[int]:
    """Return each node's component; a node's number is never below those it waits for."""
    search = _Tarjan(waits)
    for root in range(len(waits)):
        if not search.order[root]:
            search.visit(root)
    return search.result


class _Tarjan:
    def __init__(self, waits: Sequence[Sequence[int]]) -> None:
        self.waits = waits
        self.order = [0] * len(waits)
        self.low = [0] * len(waits)
        self.result = [-1] * len(waits)
        self.path: list[int] = []
        self.clock = 0
        self.found = 0

    def visit(self, root: int) -> None:
        stack = [(root, 0)]
        while stack:
            node, at = stack.pop()
            if at == 0:
                self._enter(node)
            else:
                self.low[node] = min(self.low[node], self.low[self.waits[node][at - 1]])
            unseen = self._skip_seen(node, at)
            if unseen < len(self.waits[node]):
                stack += [(node, unseen + 1), (self.waits[node][unseen], 0)]
            elif self.low[node] == self.order[node]:
                self._close(node)

    def _enter(self, node: int) -> None:
        self.clock += 1
        self.order[node] = self.low[node] = self.clock
        self.path.append(node)

    def _skip_seen(self, node: int, at: int) -> int:
        """Return the position of the next neighbour that was not visited yet."""
        targets = self.waits[node]
        while at < len(targets) and self.order[targets[at]]:
            if self.result[targets[at]] < 0:
                self.low[node] = min(self.low[node], self.order[targets[at]])
            at += 1
        return at

    def _close(self, node: int) -> None:
        while self.result[node] < 0:
            self.result[self.path.pop()] = self.found
        self.found += 1


_DEEPEST = 50
_LONGEST = 1000


class FileOrder:
    """Takes tasks in file order; keeps per name only the last task, which follows the others.

    A pattern is looked for, and kept, in the folder that it begins with.
    """

    def __init__(self) -> None:
        """Begin with these."""
        self._last: dict[str, int] = {}
        self._folders: dict[str, int] = {}
        self._inside: defaultdict[str, list[int]] = defaultdict(list)
        self._names: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._globs: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def follow(self, at: int, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return the earlier tasks that share a file with these names, and note the task."""
        earlier = {each for name in names for each in self._earlier(name)}
        for name in names:
            self._note(at, name)
        return tuple(sorted(earlier - {at}))

    def _earlier(self, name: str) -> list[int]:
        above = _ancestors(name)
        found = [self._last[name]] if name in self._last else []
        found += [self._folders[folder] for folder in above if folder in self._folders]
        if name.endswith("/"):
            found += self._inside.get(name, [])
        alike = [self._globs[folder] for folder in above if folder in self._globs]
        if mentions.is_glob(name):
            alike.append(self._names.get(above[-1], {}))
        return found + [
            at for each in alike for other, at in each.items() if mentions.overlaps(name, other)
        ]

    def _note(self, at: int, name: str) -> None:
        above = _ancestors(name)
        self._last[name] = at
        for folder in above:
            self._inside[folder].append(at)
            self._names[folder][name] = at
        if mentions.is_glob(name):
            self._globs[above[-1]][name] = at
        elif name.endswith("/"):
            self._folders[name] = at
            self._inside[name] = [at]


def _ancestors(name: str) -> list[str]:
    """Return the root, ``a/`` and ``a/b/`` for ``a/b/c.py``; a folder is its own ancestor."""
    literal = mentions.literal(name)[:_LONGEST]
    ends = [at + 1 for at, character in enumerate(literal) if character == "/"]
    return ["", *(literal[:end] for end in ends[:_DEEPEST])]


_NAMED = 8


class Declared:
    """Per task the tasks it needs; ``invalid`` says of a position why it cannot be planned."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Begin with these."""
        self.needs: list[tuple[int, ...]] = []
        self.problems = list(problems)
        self.invalid: dict[int, str] = {}


def read(
    task_file: TaskFile, known: TaskIndex, pending: Sequence[bool], *, parallel_stories: bool
) -> Declared:
    """Resolve every reference; what cannot be is a problem, and what was circular is cut."""
    declared = Declared(task_file.problems)
    for at, task in enumerate(task_file.tasks):
        declared.needs.append(_resolve(declared, known, at, task, pending=pending[at]))
        if pending[at]:
            _note_duplicate(declared, known, at, task)
    _cut_circles(declared, task_file, pending, parallel_stories=parallel_stories)
    return declared


def _resolve(
    declared: Declared, known: TaskIndex, at: int, task: Task, *, pending: bool
) -> tuple[int, ...]:
    found: list[tuple[int, ...]] = []
    for reference in task.depends_on:
        wanted = known.reference(reference)
        if wanted is not None:
            found.append(_without_self(reference, wanted, at))
        elif pending:
            missing = _missing(reference, known)
            message = f"{_where(task)} depends on {missing}, which is nowhere in tasks.md"
            _invalidate(declared, [at], message, Code.UNKNOWN_DEPENDENCY, [task])
    # One reference keeps its tuple, which every task that says the same then shares.
    needs = found[0] if len(found) == 1 else tuple(dict.fromkeys(sum(found, ())))
    return needs if pending else tuple(each for each in needs if each < at)


def _without_self(reference: Reference, wanted: tuple[int, ...], at: int) -> tuple[int, ...]:
    """Leave a task out of the range, story or phase that it depends on as a whole."""
    match reference.kind:
        case ReferenceKind.TASK:
            return wanted
        case ReferenceKind.RANGE:
            return wanted if at not in wanted else tuple(each for each in wanted if each != at)
        case ReferenceKind.STORY | ReferenceKind.PHASE:
            return wanted if at not in wanted else tuple(each for each in wanted if each < at)


def _missing(reference: Reference, known: TaskIndex) -> str:
    ends = [end for end in (reference.first, reference.last) if end]
    if reference.kind is not ReferenceKind.RANGE:
        return str(reference)
    return next((end for end in ends if not known.task(end)), str(reference))


def _note_duplicate(declared: Declared, known: TaskIndex, at: int, task: Task) -> None:
    twice = next((each for each in task.ids if len(known.exact(each)) > 1), None)
    if twice is None:
        return
    named = twice.casefold()
    same = (each for each in declared.problems if each.code is Code.DUPLICATE_TASK)
    message = next((each.message for each in same if named == each.ids[0].casefold()), twice)
    declared.invalid.setdefault(at, message)


def _cut_circles(
    declared: Declared, task_file: TaskFile, pending: Sequence[bool], *, parallel_stories: bool
) -> None:
    """Only a need of a later task can close a circle: all else points back in the file."""
    forward = {
        at: tuple(each for each in needs if each >= at and pending[each])
        for at, needs in enumerate(declared.needs)
        if pending[at] and needs and max(needs) >= at
    }
    if not forward:
        return
    built = build(task_file, pending, declared.needs, parallel_stories=parallel_stories)
    circles = components(built.waits)
    closing = {
        at: tuple(each for each in later if circles[each] == circles[at])
        for at, later in forward.items()
    }
    only_open = [
        [each for each in needs if pending[each]] if pending[at] else []
        for at, needs in enumerate(declared.needs)
    ]
    mutual = components(only_open)
    sizes = Counter(mutual)
    _report_mutual(declared, task_file, mutual, {m for m, size in sizes.items() if size > 1})
    for at, later in closing.items():
        if later:
            _report_closing(declared, task_file, at, [e for e in later if mutual[e] != mutual[at]])
            if at in later:
                task = task_file.tasks[at]
                message = f"{_where(task)} depends on itself"
                _invalidate(declared, [at], message, Code.DEPENDENCY_CYCLE, [task])
            declared.needs[at] = ()


def _report_mutual(
    declared: Declared, task_file: TaskFile, mutual: Sequence[int], rings: set[int]
) -> None:
    members: dict[int, list[int]] = {}
    for at, ring in enumerate(mutual):
        if ring in rings:
            members.setdefault(ring, []).append(at)
    for positions in members.values():
        tasks = [task_file.tasks[at] for at in positions]
        message = f"{_list(map(_where, tasks))} depend on each other"
        _invalidate(declared, positions, message, Code.DEPENDENCY_CYCLE, tasks)


def _report_closing(declared: Declared, task_file: TaskFile, at: int, later: list[int]) -> None:
    if not later:
        return
    task, others = task_file.tasks[at], [task_file.tasks[each] for each in later]
    message = (
        f"{_list(map(_where, [task, *others]))} depend on each other: "
        f"{task.id} says so, and by its place in tasks.md {others[0].id} comes after {task.id}"
    )
    _invalidate(declared, [at, *later], message, Code.DEPENDENCY_CYCLE, [task, *others])


def _invalidate(
    declared: Declared, positions: list[int], message: str, code: Code, tasks: list[Task]
) -> None:
    for at in positions:
        declared.invalid.setdefault(at, message)
    ids = tuple(task.id for task in tasks)
    declared.problems.append(Problem(code, message, tasks[0].line, ids))


def _where(task: Task) -> str:
    return f"{task.id} (line {task.line})"


def _list(words: Iterable[str]) -> str:
    """Write ``a, b and c``, and not more than fits a sentence."""
    all_words = list(words)
    shown = all_words[:_NAMED]
    if len(all_words) > _NAMED:
        shown.append(f"{len(all_words) - _NAMED} more")
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


_FEW = 8


class Graph:
    """``waits[n]`` are the nodes that node n waits for; ``shared`` those for a file's sake.

    ``forward`` says that some task waits for a later one.
    """

    def __init__(self, tasks: int, waits: list[list[int]]) -> None:
        """Begin with these."""
        self.tasks = tasks
        self.waits = waits
        self.shared: dict[int, tuple[int, ...]] = {}
        self.forward = False
        self._fronts: dict[int, frozenset[int]] = {}

    def join(self, nodes: Iterable[int]) -> int:
        """Return a node that waits for all of these."""
        self.waits.append(list(nodes))
        return len(self.waits) - 1

    def front(self, node: int) -> frozenset[int]:
        """Return the tasks that the node waits for directly."""
        if node not in self._fronts:
            self._fronts[node] = self._find_front(node)
        return self._fronts[node]

    def above(self, node: int) -> set[int]:
        """Return every node that the node waits for, however far."""
        seen: set[int] = set()
        stack = list(self.waits[node])
        while stack:
            each = stack.pop()
            if each not in seen:
                seen.add(each)
                stack += self.waits[each]
        return seen

    def _find_front(self, node: int) -> frozenset[int]:
        if node < self.tasks and len(self.waits[node]) == 1 and self.waits[node][0] >= self.tasks:
            return self.front(self.waits[node][0])
        found: set[int] = set()
        seen: set[int] = set()
        stack = list(self.waits[node])
        while stack:
            each = stack.pop()
            if each < self.tasks:
                found.add(each)
            elif each not in seen:
                seen.add(each)
                stack += self.waits[each]
        return frozenset(found)


class _Barriers:
    """What a phase's tasks wait for: the phases before it."""

    def __init__(self, *, parallel_stories: bool) -> None:
        self.parallel_stories = parallel_stories
        self.common: list[int] = []
        self.stories: list[int] = []

    def before(self, *, story: bool) -> list[int]:
        # Every story phase waits for the common ones itself.
        alone = story and self.parallel_stories
        return self.common if alone or not self.stories else self.stories

    def add(self, end: list[int], *, story: bool) -> None:
        if story and self.parallel_stories:
            self.stories += end
        else:
            self.common, self.stories = end, []


def build(
    task_file: TaskFile,
    chosen: Sequence[bool],
    needs: Sequence[Sequence[int]],
    *,
    parallel_stories: bool = False,
) -> Graph:
    """Build the graph of the chosen tasks; ``needs`` are the declared dependencies."""
    count = len(task_file.tasks)
    graph = Graph(count, [[] for _ in range(count)])
    barriers = _Barriers(parallel_stories=parallel_stories)
    members: list[list[int]] = [[] for _ in task_file.phases]
    for at, task in enumerate(task_file.tasks):
        if chosen[at]:
            members[task.phase].append(at)
    for phase, inside in zip(task_file.phases, members, strict=True):
        if inside:
            story = phase.story is not None
            start = barriers.before(story=story)
            barriers.add(_add_phase(graph, task_file, inside, start), story=story)
    _add_needs(graph, chosen, needs)
    _add_files(graph, task_file, chosen)
    return graph


def _add_phase(graph: Graph, task_file: TaskFile, inside: list[int], start: list[int]) -> list[int]:
    """Order the tasks of one phase; return what the next phase waits for."""
    gate = [graph.join(start)] if len(start) > 1 else start
    since: list[int] = []
    for at in inside:
        if task_file.tasks[at].parallel:
            graph.waits[at] += gate
            since.append(at)
        else:
            graph.waits[at] += since or gate
            gate, since = [at], []
    end = since or gate
    return [graph.join(end)] if len(end) > 1 else end


def _add_needs(graph: Graph, chosen: Sequence[bool], needs: Sequence[Sequence[int]]) -> None:
    joined: dict[int, int] = {}
    for at, wanted in enumerate(needs):
        if not chosen[at]:
            continue
        graph.forward = graph.forward or any(each > at for each in wanted)
        if len(wanted) <= _FEW:
            graph.waits[at] += [each for each in wanted if chosen[each]]
            continue
        if id(wanted) not in joined:
            joined[id(wanted)] = graph.join(each for each in wanted if chosen[each])
        graph.waits[at].append(joined[id(wanted)])


def _add_files(graph: Graph, task_file: TaskFile, chosen: Sequence[bool]) -> None:
    order = FileOrder()
    for at, task in enumerate(task_file.tasks):
        if chosen[at] and task.files:
            graph.shared[at] = order.follow(at, task.files)
            graph.waits[at] += graph.shared[at]
