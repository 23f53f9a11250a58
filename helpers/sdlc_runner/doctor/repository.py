"""What the repository, its feature and its remote need, wherever attempts run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.config import consent
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.git.remote_url import normalize_remote
from sdlc_runner.orchestrator import launcher, registry

if TYPE_CHECKING:
    from sdlc_runner.orchestrator.project import Project


def identity(found: Project) -> str:
    """Check that git can commit for the user."""
    asked = ("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    done = found.repo.git.try_run(*asked)
    if not done.ok:
        raise UsageError(
            Code.BAD_CONFIG,
            "git does not know who you are, so `publish` cannot commit for you.",
            "`git config --global user.email YOU@EXAMPLE.ORG` and user.name.",
        )
    return done.text.rpartition(">")[0] + ">"


def feature(found: Project) -> str:
    """Check that there is a feature with tasks."""
    _, task_file = found.load_tasks()
    return f"{found.tasks_path}: {len(task_file.tasks)} tasks"


def remote(found: Project) -> str:
    """Check that the remote answers here."""
    found.require_remote()
    found.repo.git.run("ls-remote", found.repo.remote, "HEAD")
    return normalize_remote(found.url)


def published(found: Project) -> str:
    """Check that the remote has what attempts begin from; the backend is not asked."""
    refs = registry.list_refs(found)
    base = launcher.require_published(found, refs)
    count = len({item.task for item in refs.attempts(found.feature.name)})
    return f"{found.branch} is on the remote at {base[:10]}; {count} tasks have attempts"


def consented(found: Project) -> str:
    """Check that the repository's commands may run on this machine."""
    commands = found.settings.verify.commands
    consent.require(found.state, found.repo.root, found.configuration.needing_consent)
    return f"{len(commands)} verify commands may run here"
