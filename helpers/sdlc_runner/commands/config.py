"""``config``: lists the settings, remembers consent, and converts former YAML files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.config import consent, loader
from sdlc_runner.errors import ExitCode
from sdlc_runner.events.types import InstalledEvent, SettingEvent, SummaryEvent
from sdlc_runner.git.repository import open_repo
from sdlc_runner.output.render import counted

if TYPE_CHECKING:
    from sdlc_runner.commands.call import Call


def run(call: Call) -> ExitCode:
    """Print the settings in force; with ``--allow-verify`` remember the consent first."""
    if call.args.migrate:
        return _migrate(call)
    project = call.open()
    if call.args.allow_verify:
        consent.grant(project.state, project.repo.root, project.settings.verify.commands)
    for setting, value, source in project.configuration.items():
        shown = list(value) if isinstance(value, tuple) else value
        call.output.emit(SettingEvent(key=setting.key, value=shown, source=source))
    return ExitCode.OK


def _migrate(call: Call) -> ExitCode:
    """Write the settings files that are in YAML as JSON with comments."""
    root = open_repo(call.directory, "origin")[0].root
    user = loader.user_file(call.environ, call.home)
    deletions = []
    for path, trusted in ((root / loader.REPOSITORY_FILE, False), (user, True)):
        old = loader.migrate(path, trusted=trusted)
        if old is not None:
            call.output.emit(InstalledEvent(what="file", name=str(path)))
            deletions.append(loader.delete(old))
    count = len(deletions)
    verdict = (
        f"{counted(count, 'file')} converted. Delete the old: `{' && '.join(deletions)}`"
        if deletions
        else "There is no settings file in YAML here."
    )
    call.output.emit(
        SummaryEvent(
            verb="config", verdict=verdict, ok=True, exit=int(ExitCode.OK), counts={"files": count}
        )
    )
    return ExitCode.OK
