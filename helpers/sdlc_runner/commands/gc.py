"""``gc``: removes merged attempts from the remote and from this machine, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.attempt import naming
from sdlc_runner.errors import ExitCode
from sdlc_runner.events.codec import AttemptKey
from sdlc_runner.events.types import RemovedEvent, SummaryEvent, WarningEvent
from sdlc_runner.git.command import PushStatus
from sdlc_runner.orchestrator import registry
from sdlc_runner.output.render import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.commands.call import Call
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.orchestrator.registry import Attempt
    from sdlc_runner.output.output import Output
    from sdlc_runner.verify.evidence import RemoteRefs


def run(call: Call) -> ExitCode:
    """Remove branch, refs and local state of every attempt whose tasks are all ticked."""
    project, output, dry_run = call.open(), call.output, call.args.dry_run
    refs, known = registry.list_attempts(project)
    project.repo.fetch_feature(project.branch)
    ticked = project.published() or frozenset()
    done = [item for item in known if _is_over(project, item, ticked)]
    count = sum(_remove(project, item, refs, output, dry_run=dry_run) for item in done)
    verb = "would be removed" if dry_run else "removed"
    output.emit(
        SummaryEvent(
            verb="gc",
            verdict=f"{counted(count, 'item')} of {counted(len(done), 'merged attempt')} {verb}."
            if done
            else "Nothing to remove: there are no merged attempts.",
            ok=True,
            exit=int(ExitCode.OK),
            counts={"attempts": len(done), "removed": count},
        )
    )
    return ExitCode.OK


def _is_over(project: Project, known: Attempt, ticked: frozenset[str]) -> bool:
    """Whether its tasks are ticked on the remote and its branch is in the feature branch."""
    if known.alive or not all(task in ticked for task in known.tasks):
        return False
    head = known.evidence.branch_head
    return head is None or project.repo.is_ancestor(head, project.tracking)


def _remove(
    project: Project, known: Attempt, refs: RemoteRefs, output: Output, *, dry_run: bool
) -> int:
    count = 0
    branch = f"refs/heads/{known.branch}"
    # The start ref could name any branch; only the runner's own end like this.
    if branch in refs.refs and branch.endswith(naming.branch("", known.key)):
        count += _delete(project, known, [branch], refs, "branch", output, dry_run=dry_run)
    own = [ref for ref in _refs_of(known) if ref in refs.refs]
    if own:
        count += _delete(project, known, own, refs, "refs", output, dry_run=dry_run)
    if known.status is not None:
        if not dry_run:
            project.backend.remove(known.status)
        _emit_removed(known, "state", known.status.place, output, dry_run=dry_run)
        count += 1
    return count


def _refs_of(known: Attempt) -> list[str]:
    """Return the attempt's refs; ``start`` exists once for each task of a batch."""
    root = known.evidence.refs.root
    starts = [
        naming.AttemptRefs.of(AttemptKey(known.key.feature, task, known.key.number), root).start
        for task in known.tasks
    ]
    mine = naming.AttemptRefs.of(known.key, root)
    return [*starts, mine.transcript, mine.checkpoint]


def _delete(
    project: Project,
    known: Attempt,
    names: Sequence[str],
    refs: RemoteRefs,
    what: str,
    output: Output,
    *,
    dry_run: bool,
) -> int:
    """Delete refs that have not moved since they were listed; a refusal is only a warning."""
    if not dry_run:
        leases = {name: refs.refs[name] for name in names}
        result = project.repo.git.push(project.repo.remote, [f":{name}" for name in names], leases)
        if result.status is not PushStatus.DONE:
            output.emit(
                WarningEvent(
                    code="not_removed", message=f"The remote keeps {names[0]}: {result.message}"
                ),
                known.key,
            )
            return 0
    _emit_removed(
        known,
        what,
        names[0] if what == "branch" else names[0].rpartition("/")[0],
        output,
        dry_run=dry_run,
    )
    return 1


def _emit_removed(known: Attempt, what: str, name: str, output: Output, *, dry_run: bool) -> None:
    output.emit(RemovedEvent(what=what, name=name, dry_run=dry_run or None), known.key)
