"""Starting attempts: what must be true before, its specification, and never twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner.attempt import naming
from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask
from sdlc_runner.config import consent
from sdlc_runner.errors import Code, RunnerError, UsageError
from sdlc_runner.events.codec import AttemptKey
from sdlc_runner.events.types import AttachedEvent, SpawnedEvent, WarningEvent
from sdlc_runner.git.remote_url import without_credentials
from sdlc_runner.orchestrator import delegation, registry
from sdlc_runner.orchestrator.registry import Attempt
from sdlc_runner.verify import evidence as verify_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.output.output import Output
    from sdlc_runner.tasks.parser import Task
    from sdlc_runner.verify.evidence import RemoteRefs


@dataclass(frozen=True)
class LaunchContext:
    """What attempts start from: the remote's names, the base, and the attempts there are."""

    refs: RemoteRefs
    base: str
    known: tuple[Attempt, ...]


def prepare(project: Project) -> LaunchContext:
    """Look at the remote and refuse what cannot work, before anything is started."""
    refs, known = registry.list_attempts(project)
    return LaunchContext(refs, require_published(project, refs), tuple(known))


def require_published(project: Project, refs: RemoteRefs) -> str:
    """Return the commit that attempts begin from; raises if the remote has not what they need."""
    refuse_default_branch(project, refs)
    base = refs.branch(project.branch)
    if base is None:
        raise feature_not_pushed(project)
    project.repo.fetch_feature(project.branch)
    _require_spec(project, base)
    return base


def feature_not_pushed(project: Project) -> UsageError:
    """Make the error for a feature branch that the remote does not have."""
    return UsageError(
        Code.FEATURE_NOT_PUSHED,
        f"The feature branch {project.branch} is not on the remote.",
        "`sdlc-runner publish` commits and pushes it.",
    )


def refuse_default_branch(project: Project, refs: RemoteRefs) -> None:
    """Raise ``on_default_branch`` where the checked-out branch is, or may be, the default one."""
    names = {project.settings.default_branch, refs.default_branch} - {"", None}
    verify_evidence.refuse_default_branch(project.branch, names)


def _require_spec(project: Project, base: str) -> None:
    """Raise ``spec_not_pushed``: the attempt reads these files in its clone."""
    folder = project.feature.relative
    local = [name for name in ("tasks.md", "spec.md", "plan.md") if _exists(project, name)]
    missing = [name for name in local if project.repo.read(base, f"{folder}/{name}") is None]
    if missing:
        raise UsageError(
            Code.SPEC_NOT_PUSHED,
            f"{', '.join(missing)} of {folder} are not on the remote's {project.branch}.",
            "`sdlc-runner publish` commits and pushes them.",
        )


def _exists(project: Project, name: str) -> bool:
    return (project.feature.directory / name).exists()


def start(
    project: Project, context: LaunchContext, tasks: Sequence[Task], output: Output
) -> Attempt:
    """Start an attempt at the tasks, or return the existing one; reports where it runs."""
    newest = registry.latest(context.known)
    existing = next((newest[task.id] for task in tasks if task.id in newest), None)
    if existing is not None:
        return resume(project, context, existing, tasks, output)
    key = AttemptKey(project.feature.name, tasks[0].id, 1)
    return launch(project, context, build_spec(project, context, key, tasks), output)


def resume(
    project: Project, context: LaunchContext, known: Attempt, tasks: Sequence[Task], output: Output
) -> Attempt:
    """Re-attach to an attempt; one whose agent never began is started again.

    ``tasks`` are its tasks as tasks.md has them now.
    """
    if known.alive:
        _emit_place(project, AttachedEvent, known, output)
        _warn_of_changes(project, context, known, tasks, output)
    if known.alive or known.began or known.status is None:
        return known
    old, by_id = known.status.spec, {task.id: task for task in tasks}
    current = [by_id.get(task.id, task) for task in old.tasks]
    spec = build_spec(project, context, known.key, current)
    if spec.identity != old.identity:
        project.backend.remove(known.status)  # it had the old text, and so another name
    return launch(project, context, spec, output, renew=True)


def _warn_of_changes(
    project: Project, context: LaunchContext, known: Attempt, tasks: Sequence[Task], output: Output
) -> None:
    """Say what has changed since a live attempt began; it is adopted all the same."""
    spec_tasks = known.status.spec.tasks if known.status else ()
    began_with = {task.id: task.text for task in spec_tasks}
    changed = [task for task in tasks if began_with.get(task.id, task.text) != task.text]
    again = f"`sdlc-runner cancel {known.key.task}`, then `sdlc-runner retry {known.key.task}`"
    for task in changed:
        output.emit(
            WarningEvent(
                code="task_changed",
                message=f"{task.id} was edited after this attempt began; it works on the old text.",
                hint=f"To start again: {again}.",
                line=task.line,
            ),
            known.key,
        )
    moved = project.backend.moved(known.status) if known.status else ""
    if moved:
        output.emit(
            WarningEvent(
                code="template_moved",
                message=moved,
                hint=f"It goes on with the old one. To start again: {again}.",
            ),
            known.key,
        )
    if known.base != context.base:
        output.emit(
            WarningEvent(
                code="base_moved",
                message=f"It began from {known.base[:10]}; {project.branch} has moved on since.",
                hint=f"`merge` brings both together. To begin from the new commit: {again}.",
            ),
            known.key,
        )


def start_new(
    project: Project, context: LaunchContext, units: Sequence[Sequence[Task]], output: Output
) -> list[Attempt]:
    """Start the first attempts at tasks that have none, as many at once as the backend takes.

    One that cannot be started does not keep the others from it: its error is raised at the end.
    """
    name = project.feature.name
    specs = [
        build_spec(project, context, AttemptKey(name, tasks[0].id, 1), tasks) for tasks in units
    ]
    found: list[Attempt] = []
    failed: RunnerError | None = None
    with ThreadPoolExecutor(project.backend.starts_at_once) as pool:
        for begun in [pool.submit(_hand_over, project, context, spec) for spec in specs]:
            try:
                known, started = begun.result()
            except RunnerError as error:
                failed = failed or error
                continue
            _emit_place(project, SpawnedEvent if started else AttachedEvent, known, output)
            found.append(known)
    if failed is not None:
        raise failed
    return found


def launch(
    project: Project,
    context: LaunchContext,
    spec: AttemptSpec,
    output: Output,
    *,
    renew: bool = False,
) -> Attempt:
    """Hand an attempt to the backend; ``renew`` one that ended before its agent began."""
    found, started = _hand_over(project, context, spec, renew=renew)
    _emit_place(project, SpawnedEvent if started else AttachedEvent, found, output)
    return found


def _hand_over(
    project: Project, context: LaunchContext, spec: AttemptSpec, *, renew: bool = False
) -> tuple[Attempt, bool]:
    clash = naming.clashes(spec.branch, context.refs.branches)
    if clash is not None:
        raise UsageError(
            Code.BRANCH_CLASH,
            f"git cannot hold a branch {spec.branch} beside the branch {clash} on the remote.",
            "Choose another `branch.prefix`, or delete that branch.",
        )
    if project.backend.runs_on_this_machine:
        consent.require(project.state, project.repo.root, project.configuration.needing_consent)
    status, started = project.backend.start(spec, renew=renew)
    evidence = verify_evidence.Evidence(naming.AttemptRefs.of(spec.key))
    return Attempt(spec.key, spec.task_ids, evidence, status), started


def _emit_place(
    project: Project,
    event: type[SpawnedEvent | AttachedEvent],
    known: Attempt,
    output: Output,
) -> None:
    """Say where an attempt runs, and note its start for spec-kit's own scripts."""
    delegation.note_started(project, known, output)
    status = known.status
    place = event(
        backend=status.spec.backend if status else "elsewhere",
        where=status.place if status else "another machine",
        branch=known.branch,
        base=known.base,
        tasks=known.tasks,
    )
    output.emit(place, known.key)


def build_spec(
    project: Project,
    context: LaunchContext,
    key: AttemptKey,
    tasks: Sequence[Task | AttemptTask],
    from_checkpoint: Attempt | None = None,
) -> AttemptSpec:
    """Tell the attempt all it needs; ``from_checkpoint`` names one whose work it goes on with.

    Such an attempt keeps that one's base: its unfinished tree on a newer base would undo what
    was merged in between.
    """
    settings = project.settings
    branch, lease = _target(project, context, key)
    text = "\n".join(task.text for task in tasks)
    return AttemptSpec(
        key=key,
        identity=naming.Identity(project.url, key, tuple(task.id for task in tasks), text).hash,
        tasks=tuple(AttemptTask(t.id, t.title, t.text, t.story, t.files) for t in tasks),
        origin=without_credentials(project.url),
        remote=settings.clone.url or project.url,
        feature_dir=project.feature.relative,
        feature_branch=project.branch,
        base=from_checkpoint.base if from_checkpoint else context.base,
        branch=branch,
        lease=lease,
        backend=project.backend.kind,
        clone_depth=settings.clone.depth,
        from_checkpoint=from_checkpoint.evidence.checkpoint if from_checkpoint else None,
        connect_seconds=settings.limits.connect_seconds,
        **settings.for_worker(),
    )


def _target(project: Project, context: LaunchContext, key: AttemptKey) -> tuple[str, str]:
    """Return the branch that is pushed, and the commit it must be at then (empty: it is new)."""
    if project.settings.branch.onto_feature:
        return project.branch, context.base
    return naming.branch(project.settings.branch.prefix, key), ""
