"""The newest line of what runs, in a file for OpenCode's plugin: a model never reads it.

What a verb prints in a session is thinned, because a model pays for it; a person need not wait.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner import files

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "SDLC_LIVE_LINE"
_LENGTH = 200


class LiveLine:
    """The file that the plugin named, if there is a plugin; nothing that fails here is told."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the file from the environment."""
        name = environ.get(VARIABLE)
        self._path = Path(name) if name else None

    @property
    def is_wanted(self) -> bool:
        """Whether somebody shows the line."""
        return self._path is not None

    def show(self, text: str) -> None:
        """Replace the line."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
            files.write(self._path, text[:_LENGTH].encode("utf-8", "replace"))

    def close(self) -> None:
        """Leave nothing."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
                self._path.parent.rmdir()
