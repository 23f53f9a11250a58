"""The user's consent to run a repository's commands on this machine, remembered by hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.digest import digest
from sdlc_runner.errors import Code, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def _file(state: Path, root: Path, commands: Sequence[str]) -> Path:
    return state / "consents" / digest(str(root), *commands)


def grant(state: Path, root: Path, commands: Sequence[str]) -> None:
    """Remember that exactly these commands may run for this checkout."""
    file = _file(state, root, commands)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.write_text("\n".join(commands) + "\n", encoding="utf-8")


def require(state: Path, root: Path, commands: Sequence[str]) -> None:
    """Raise ``consent_needed`` unless there are none, or these were allowed before."""
    if commands and not _file(state, root, commands).exists():
        shown = "; ".join(commands)
        raise UsageError(
            Code.CONSENT_NEEDED,
            f"To verify the work, this repository wants to run on your machine: {shown}",
            "To allow it: `sdlc-runner config --allow-verify`. You are asked again if they change.",
        )
