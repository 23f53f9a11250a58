"""Which spec-kit a repository has, and so which command implements a feature there."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.install.worktree import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDERS = (".opencode/commands", ".opencode/command")
PLAIN = ".opencode/commands/implement.md"
_SPEC_KIT = ".specify"
_INTEGRATION = f"{_SPEC_KIT}/integrations/opencode.manifest.json"


class Flavour(str, Enum):
    """Whose commands they are."""

    UPSTREAM = "spec-kit"
    FORK = "spec-kit's agentic-sdlc fork"
    OLD = "spec-kit before October 2025"
    OWN = "no spec-kit, but an implement command of its own"
    NONE = "no spec-kit"


NAMES = {
    "speckit.implement": Flavour.UPSTREAM,
    "spec.implement": Flavour.FORK,
    "adlc.spec.implement": Flavour.FORK,
    "implement": Flavour.OLD,
}


class Found(NamedTuple):
    """A flavour and the files of its implement command: several where folders or names are."""

    flavour: Flavour
    commands: tuple[str, ...]

    @property
    def typed(self) -> str:
        """What the user types."""
        return f"/{PurePosixPath(self.commands[0] if self.commands else PLAIN).stem}"

    @property
    def tasks_commands(self) -> tuple[str, ...]:
        """The commands that write tasks.md, where their template knows no [ASYNC]."""
        if self.flavour in {Flavour.FORK, Flavour.OWN, Flavour.NONE}:
            return ()
        return tuple(name.replace("implement.md", "tasks.md") for name in self.commands)


def find(root: Path, own: frozenset[str] = frozenset()) -> Found:
    """Find the implement command, leaving out files of our own; two different ones are an error."""
    live = list(implement_commands(root, own))
    flavours = {NAMES[PurePosixPath(name).stem] for name in live}
    if len(flavours) > 1:
        raise UsageError(
            Code.SECOND_COMMAND,
            f"There are two implement commands here: {' and '.join(live)}.",
            "Remove the one that you do not use, then install again.",
        )
    found = flavours.pop() if flavours else Flavour.NONE
    if found is Flavour.OLD and not (root / _SPEC_KIT).is_dir():
        found = Flavour.OWN
    return Found(found, tuple(live))


def implement_commands(root: Path, own: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield every file that OpenCode would offer as a command to implement."""
    for name in NAMES:
        for folder in FOLDERS:
            path = f"{folder}/{name}.md"
            if path not in own and (root / path).is_file():
                yield path


def is_as_installed(root: Path, commands: tuple[str, ...]) -> bool:
    """Whether spec-kit's own record says that it wrote these very files.

    Only then may its CLI write them anew: it would lose what a person changed.
    """
    try:
        files = json.loads((root / _INTEGRATION).read_bytes())["files"]
        return all(files[name] == sha256((root / name).read_bytes()) for name in commands)
    except (OSError, ValueError, KeyError, TypeError):
        return False
