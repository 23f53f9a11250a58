"""``config``: every setting, its value and who set it; and the consent to verify commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.config import consent
from sdlc_runner.errors import ExitCode
from sdlc_runner.events.codec import EventType

if TYPE_CHECKING:
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.output.output import Output


def show(project: Project, output: Output, *, allow_verify: bool) -> ExitCode:
    """Print the settings in force; with ``allow_verify`` first remember the consent."""
    if allow_verify:
        consent.grant(project.state, project.repo.root, project.settings.verify_commands)
    for setting, value, source in project.configuration.items():
        shown = list(value) if isinstance(value, tuple) else value
        output.tell(EventType.SETTING, key=setting.key, value=shown, source=source)
    return ExitCode.OK
