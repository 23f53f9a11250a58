"""Merging: verified branches go into the feature branch in plan order, then boxes are ticked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, RunnerError, UnreachableError
from sdlc_runner.events.codec import AttemptKey, client_event
from sdlc_runner.events.types import (
    ConflictEvent,
    MergedEvent,
    TickedEvent,
    WarningEvent,
)
from sdlc_runner.git import protected_paths
from sdlc_runner.git.command import PushStatus
from sdlc_runner.git.merge_tree import Conflict, MergeTree, merge_tree, tidy
from sdlc_runner.orchestrator import delegation, launcher, registry
from sdlc_runner.tasks import checkboxes, parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sdlc_runner.events.codec import Event
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.verify.verdict import Verdict

_PUSH_TRIES = 5
_FAST_FORWARD = ("merge", "--ff-only", "--no-overwrite-ignore", "--no-verify-signatures", "--quiet")
_FILES_SHOWN = 100


@dataclass
class Integration:
    """What one merge did: the tasks ticked or not, those in conflict, and the events to emit."""

    ticked: list[str] = field(default_factory=list)
    unticked: list[str] = field(default_factory=list)
    conflicts: dict[str, Event] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)


@dataclass(frozen=True)
class Candidate:
    """An attempt and those of its tasks that the remote shows to be done."""

    known: Attempt
    tasks: tuple[str, ...]


def candidates(
    known: Sequence[Attempt], verdicts: Sequence[Verdict], order: Sequence[str]
) -> list[Candidate]:
    """Choose the attempts with verified tasks, in plan order."""
    good = {item.task for item in verdicts if item.outcome.is_success}
    place = {task: number for number, task in enumerate(order)}
    chosen = [
        Candidate(item, tuple(task for task in item.tasks if task in good and task in place))
        for item in known
    ]
    wanted = [item for item in chosen if item.tasks]
    return sorted(wanted, key=lambda item: place[item.tasks[0]])


def integrate(project: Project, wanted: Sequence[Candidate], output: Output) -> Integration:
    """Merge, tick and push; events are emitted once the remote has accepted the push."""
    if not wanted:
        tidy(project.repo, project.state)
        return Integration()
    launcher.refuse_default_branch(project, registry.list_refs(project))
    for _ in range(_PUSH_TRIES):
        base = fetch_base(project)
        done = Integration()
        with merge_tree(project.repo, project.state, base, project.feature.relative) as tree:
            for candidate in wanted:
                _merge_one(project, tree, candidate, done)
            _tick(project, tree, done)
            if tree.head == base or _push(project, tree):
                for event in done.events:
                    output.write(event)
                for task, event in done.conflicts.items():
                    delegation.note_conflict(project, task, event.fields["message"], output)
                _fast_forward(project, output)
                return done
    raise RunnerError(
        Code.FEATURE_MOVED,
        f"{project.branch} moves on the remote faster than work can be merged into it.",
        "Run `sdlc-runner merge` again.",
    )


def find_conflicts(
    project: Project, found: Sequence[Attempt], *, wait: bool = True
) -> Mapping[str, Event]:
    """Return the verified open tasks that conflict with what is merged → the ``conflict`` event.

    Each is tried alone on the feature branch as last fetched; nothing is pushed. Without
    ``wait`` none is found while another process merges on this machine.
    """
    base = project.repo.resolve(project.tracking)
    if base is None or not (project.feature.directory / "tasks.md").is_file():
        return {}
    newest = {task: known for task, known in registry.latest(found).items() if not known.alive}
    wanted, _ = mergeable(project, newest, newest)
    if not wanted:
        return {}
    done = Integration()
    try:
        with merge_tree(
            project.repo, project.state, base, project.feature.relative, wait=wait
        ) as tree:
            for candidate in wanted:
                _merge_one(project, tree, candidate, done)
                tree.reset(base)
    except BlockingIOError:
        return {}
    return done.conflicts


def mergeable(
    project: Project, newest: Mapping[str, Attempt], tasks: Iterable[str]
) -> tuple[list[Candidate], list[Verdict]]:
    """Return the verified attempts at those tasks that are open, and how all of these ended."""
    still_open = set(newest) - (project.published() or frozenset())
    wanted = [task for task in tasks if task in still_open]
    judged = [item for task in wanted for item in newest[task].decide() if item.task == task]
    order = [task.id for task in project.load_tasks()[1].tasks]
    known = list({newest[task].key: newest[task] for task in wanted}.values())
    return candidates(known, judged, order), judged


def fetch_base(project: Project) -> str:
    """Fetch the feature branch; raises ``feature_not_pushed``."""
    base = project.repo.fetch_feature(project.branch)
    if base is None:
        raise launcher.feature_not_pushed(project)
    return base


def _merge_one(project: Project, tree: MergeTree, candidate: Candidate, done: Integration) -> None:
    known, head = candidate.known, candidate.known.evidence.branch_head
    if head is not None and not project.repo.is_ancestor(head, tree.head):
        title = f"Merge {', '.join(candidate.tasks)} (attempt {known.key})"
        result = tree.merge(head, f"{title}\n\nBranch: {known.branch}\n")
        if isinstance(result, Conflict):
            event = _conflict(project, candidate, result)
            done.conflicts.update(dict.fromkeys(candidate.tasks, event))
            done.events.append(event)
            return
        done.events.append(
            client_event(
                MergedEvent(
                    branch=known.branch,
                    into=project.branch,
                    commit=result.commit,
                    stripped=list(result.stripped[:_FILES_SHOWN]) or None,
                ),
                known.key,
            )
        )
    done.ticked += candidate.tasks


def _conflict(project: Project, candidate: Candidate, result: Conflict) -> Event:
    known, tasks = candidate.known, ", ".join(candidate.tasks)
    return client_event(
        ConflictEvent(
            branch=known.branch,
            files=list(result.files[:_FILES_SHOWN]),
            message="It is not merged; its branch is unchanged.",
            hint=f"`sdlc-runner retry {candidate.tasks[0]}` does it again on top of what is merged."
            f" By hand: `git fetch {project.repo.remote} {known.branch} && git merge FETCH_HEAD`, "
            f"resolve, `git commit`, tick {tasks}, `sdlc-runner publish`.",
        ),
        known.key,
    )


def _tick(project: Project, tree: MergeTree, done: Integration) -> None:
    """Change one character for each task, in one commit."""
    old = tree.read(project.tasks_path)
    if old is None or not done.ticked:
        return
    lines: dict[str, list[int]] = {}
    for task in parser.parse(old.decode("utf-8", "replace")).tasks:
        lines.setdefault(task.id, []).append(task.line)
    for each in done.ticked:
        if len(lines.get(each, ())) > 1:
            done.unticked.append(each)
            done.events.append(_ambiguous(project, each, lines[each]))
    done.ticked = [each for each in done.ticked if len(lines.get(each, ())) == 1]
    new = checkboxes.tick(old, done.ticked)
    commit = tree.head
    if new != old:
        commit = tree.commit_file(project.tasks_path, new, f"Tick {', '.join(done.ticked)}")
    for each in done.ticked:
        key = AttemptKey(project.feature.name, each, 0)
        done.events.append(client_event(TickedEvent(line=lines[each][0], commit=commit), key))


def _ambiguous(project: Project, task: str, lines: Sequence[int]) -> Event:
    return client_event(
        WarningEvent(
            code=Code.DUPLICATE_TASK.value,
            message=f"{task} is on line {lines[0]} and again on line {lines[1]}, "
            "so no box is ticked; the work is merged.",
            hint=f"Give each task an id of its own, and tick {task}.",
        ),
        AttemptKey(project.feature.name, task, 0),
    )


def _push(project: Project, tree: MergeTree) -> bool:
    """Push the feature branch without force; False if it moved meanwhile."""
    refspec = f"{tree.head}:refs/heads/{project.branch}"
    result = project.repo.git.push(project.repo.remote, [refspec], {})
    match result.status:
        case PushStatus.DONE:
            project.repo.fetch_feature(project.branch)
            return True
        case PushStatus.STALE:
            return False
        case PushStatus.REFUSED:
            raise RunnerError(
                Code.PUSH_REJECTED,
                f"The remote refuses the push to {project.branch}: {result.message}",
                "The verified branches are unchanged; `sdlc-runner merge` tries again.",
            )
        case PushStatus.UNREACHABLE:
            raise UnreachableError(
                Code.REMOTE_UNREACHABLE,
                f"The remote cannot be reached: {result.message}",
                "Nothing is lost; `sdlc-runner merge` tries again.",
            )


def _fast_forward(project: Project, output: Output) -> None:
    """Bring the user's checkout along if that touches no work of theirs."""
    repo = project.repo
    target = repo.resolve(project.tracking)
    if target is None or repo.is_ancestor(target, "HEAD"):
        return
    why = _obstacle(project, target)
    if why is None and repo.git.try_run(*_FAST_FORWARD, target).ok:
        return
    output.emit(
        WarningEvent(
            code="not_fast_forwarded",
            message=f"Your checkout {why or 'cannot be fast-forwarded'}, so it was left as it is; "
            "the work is on the remote.",
            hint="`sdlc-runner publish` brings both together; or commit, then `git pull`.",
        )
    )


def _obstacle(project: Project, target: str) -> str | None:
    """Say why the checkout must be left as it is; it may have changed since the verb began."""
    git = project.repo.git
    if git.try_run("symbolic-ref", "--quiet", "--short", "HEAD").text != project.branch:
        return f"is not on {project.branch} now"
    # The fork's files change with every attempt, and nothing that is merged touches them.
    others = protected_paths.all_but_delegations(project.feature.relative)
    if git.run("status", "--porcelain", "--untracked-files=no", "--", *others):
        return "has uncommitted changes"
    if not project.repo.is_ancestor("HEAD", target):
        return "has commits that are not published"
    # Asked beforehand, since a merge that refuses has already moved ORIG_HEAD.
    if not git.try_run("read-tree", "--dry-run", "-m", "-u", "HEAD", target).ok:
        return "has files of yours in the way"
    return None
