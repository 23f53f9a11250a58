"""``publish``: the user's own work goes to the feature branch, so that the next wave has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner import files
from sdlc_runner.errors import Code, ExitCode, RunnerError, UnreachableError, UsageError
from sdlc_runner.events.codec import clean
from sdlc_runner.events.types import PublishedEvent, SummaryEvent
from sdlc_runner.git import protected_paths
from sdlc_runner.git.command import PushStatus
from sdlc_runner.orchestrator import launcher, registry, tick_guard
from sdlc_runner.tasks import checkboxes, feature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.commands.call import Call
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.output.output import Output
    from sdlc_runner.process import Completed

_FILES_SHOWN = 100
_SAYS_NOTHING = ("hint:", "Not committing merge;")
_UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD")


def run(call: Call) -> ExitCode:
    """Commit what is uncommitted, bring in what was merged in the meantime, and push."""
    project, output = call.open(), call.output
    _refuse_unfinished(project)
    launcher.refuse_default_branch(project, registry.list_refs(project))
    tick_guard.refuse(project)
    left = _left_out(project)
    files = [name for name in project.repo.dirty_files() if not _is_in(name, left)]
    if files:
        _commit(project, call.args.message or _subject(project), left)
    theirs = project.repo.fetch_feature(project.branch)
    if theirs is not None and not project.repo.is_ancestor(theirs, "HEAD"):
        _bring_in(project, theirs)
    head = project.repo.git.run("rev-parse", "HEAD")
    if head == theirs:
        return _done(output, "Nothing to publish: the remote is up to date.")
    _push(project)
    project.repo.fetch_feature(project.branch)
    output.emit(
        PublishedEvent(branch=project.branch, commit=head, files=list(files[:_FILES_SHOWN]) or None)
    )
    return _done(output, f"{project.branch} is on the remote at {head[:10]}.")


def _done(output: Output, verdict: str) -> ExitCode:
    output.emit(SummaryEvent(verb="publish", verdict=verdict, ok=True, exit=0))
    return ExitCode.OK


def _refuse_unfinished(project: Project) -> None:
    for name in _UNFINISHED:
        if project.repo.git.try_run("rev-parse", "--verify", "--quiet", name).ok:
            raise UsageError(
                Code.MERGE_IN_PROGRESS,
                f"A merge or rebase is unfinished here ({name}).",
                "Finish or abort it, then run `sdlc-runner publish` again.",
            )


def _subject(project: Project) -> str:
    """Name the tasks that were ticked since the last publication."""
    path = project.feature.directory / "tasks.md"  # not there yet while only the spec is written
    data = files.read(path, feature.SIZE_LIMIT) if path.is_file() else b""
    new = checkboxes.ticked(data) - (project.published() or frozenset())
    return f"{', '.join(sorted(new))}: SYNC work" if new else "SYNC work"


def _left_out(project: Project) -> tuple[str, ...]:
    """Return the fork's delegation files that were never committed: they are no work."""
    paths = [f"{project.feature.relative}/{name}" for name in protected_paths.DELEGATIONS]
    return tuple(path for path in paths if not project.repo.git.run("ls-files", "--", path))


def _is_in(name: str, paths: Sequence[str]) -> bool:
    return any(name == path or name.startswith(f"{path}/") for path in paths)


def _commit(project: Project, message: str, left_out: Sequence[str]) -> None:
    """Commit as the user would, their hooks included."""
    git = project.repo.git
    git.run("add", "--all", "--", ":/", *(f":(top,exclude,literal){path}" for path in left_out))
    if git.try_run("diff", "--cached", "--quiet").ok:
        return
    done = git.try_run("commit", "--quiet", "-m", message)
    if not done.ok:
        raise _git_failed("commit", done)


def _git_failed(verb: str, done: Completed) -> RunnerError:
    """Make an error of the last line that git or the user's hook printed."""
    lines = [*done.text.splitlines(), *done.error_text.splitlines()]
    words = [line for line in lines if line.strip() and not line.startswith(_SAYS_NOTHING)]
    return RunnerError(
        Code.GIT_FAILED,
        f"git {verb} failed: {clean((words or ['no output'])[-1], 300)}",
        f"`git {verb}` shows the whole output; then run `sdlc-runner publish` again.",
    )


def _bring_in(project: Project, theirs: str) -> None:
    """Merge what the remote has; ticks on both sides are united, other conflicts are the user's."""
    git = project.repo.git
    done = git.try_run("merge", "--ff", "--no-edit", "--no-verify-signatures", "--quiet", theirs)
    if done.ok:
        return
    files = [
        name for name in git.run("diff", "--name-only", "-z", "--diff-filter=U").split("\0") if name
    ]
    if files == [project.tasks_path] and _unite_ticks(project):
        git.run("commit", "--no-edit", "--quiet", "--no-verify")
        return
    git.try_run("merge", "--abort")
    if not files:
        raise _git_failed("merge", done)
    raise RunnerError(
        Code.PUBLISH_CONFLICT,
        f"Your work and the remote's {project.branch} conflict in {', '.join(files[:20])}.",
        f"`git pull --no-rebase {project.repo.remote} {project.branch}`, resolve, `git commit`, "
        "then `sdlc-runner publish` again.",
    )


def _unite_ticks(project: Project) -> bool:
    git, path = project.repo.git, project.tasks_path
    stages = [git.try_run("cat-file", "blob", f":{stage}:{path}") for stage in (1, 2, 3)]
    if not all(done.ok for done in stages):
        return False
    base, ours, theirs = (done.stdout for done in stages)
    united = checkboxes.union(base, ours, theirs)
    if united is None:
        return False
    (project.repo.root / path).write_bytes(united)
    git.run("add", "--", path)
    return True


def _push(project: Project) -> None:
    refspec = f"HEAD:refs/heads/{project.branch}"
    result = project.repo.git.push(project.repo.remote, [refspec], {})
    match result.status:
        case PushStatus.DONE:
            return
        case PushStatus.STALE:
            raise RunnerError(
                Code.FEATURE_MOVED,
                "The remote's branch moved in the meantime.",
                "Run `sdlc-runner publish` again.",
            )
        case PushStatus.REFUSED:
            raise RunnerError(
                Code.PUSH_REJECTED,
                f"The remote refuses the push: {result.message}",
                "Your commit is kept. Fix what the host refuses, then run `sdlc-runner publish`.",
            )
        case PushStatus.UNREACHABLE:
            raise UnreachableError(
                Code.REMOTE_UNREACHABLE,
                f"The remote cannot be reached: {result.message}",
                "Your commit is kept; run `sdlc-runner publish` again later.",
            )
