"""``config``: lists the settings, and remembers the consent to verify commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.config import consent
from sdlc_runner.errors import ExitCode
from sdlc_runner.events.types import SettingEvent

if TYPE_CHECKING:
    from sdlc_runner.commands.call import Call


def run(call: Call) -> ExitCode:
    """Print the settings in force; with ``--allow-verify`` first remember the consent."""
    project = call.open()
    if call.args.allow_verify:
        consent.grant(project.state, project.repo.root, project.settings.verify.commands)
    for setting, value, source in project.configuration.items():
        shown = list(value) if isinstance(value, tuple) else value
        call.output.emit(SettingEvent(key=setting.key, value=shown, source=source))
    return ExitCode.OK
