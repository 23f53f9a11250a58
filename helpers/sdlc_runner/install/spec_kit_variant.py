"""Which spec-kit a repository has, and so which command implements a feature there."""

from __future__ import annotations

from enum import Enum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner import files
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.install.worktree import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDERS = (".opencode/commands", ".opencode/command")
PLAIN = ".opencode/commands/implement.md"
_SPEC_KIT = ".specify"
_INTEGRATION = f"{_SPEC_KIT}/integrations/opencode.manifest.json"


class SpecKitVariant(str, Enum):
    """Whose commands they are."""

    UPSTREAM = "spec-kit"
    FORK = "spec-kit's agentic-sdlc fork"
    OLD = "spec-kit before October 2025"
    OWN = "no spec-kit, but an implement command of its own"
    NONE = "no spec-kit"


NAMES = {
    "speckit.implement": SpecKitVariant.UPSTREAM,
    "spec.implement": SpecKitVariant.FORK,
    "adlc.spec.implement": SpecKitVariant.FORK,
    "implement": SpecKitVariant.OLD,
}


class SpecKitLayout(NamedTuple):
    """A variant and the files of its implement command: several where folders or names are."""

    variant: SpecKitVariant
    commands: tuple[str, ...]

    @property
    def typed(self) -> str:
        """What the user types."""
        return f"/{PurePosixPath(self.commands[0] if self.commands else PLAIN).stem}"

    @property
    def tasks_commands(self) -> tuple[str, ...]:
        """The commands that write tasks.md, where their template knows no [ASYNC]."""
        if self.variant in {SpecKitVariant.FORK, SpecKitVariant.OWN, SpecKitVariant.NONE}:
            return ()
        return tuple(name.replace("implement.md", "tasks.md") for name in self.commands)


def find(root: Path, own: frozenset[str] = frozenset()) -> SpecKitLayout:
    """Find the implement command, leaving out files of our own; two different ones are an error."""
    live = list(implement_commands(root, own))
    variants = {NAMES[PurePosixPath(name).stem] for name in live}
    if len(variants) > 1:
        raise UsageError(
            Code.SECOND_COMMAND,
            f"There are two implement commands here: {' and '.join(live)}.",
            "Remove the one that you do not use, then install again.",
        )
    found = variants.pop() if variants else SpecKitVariant.NONE
    if found is SpecKitVariant.OLD and not (root / _SPEC_KIT).is_dir():
        found = SpecKitVariant.OWN
    return SpecKitLayout(found, tuple(live))


def implement_commands(root: Path, own: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield every file that OpenCode would offer as a command to implement."""
    for name in NAMES:
        for folder in FOLDERS:
            path = f"{folder}/{name}.md"
            if path not in own and (root / path).is_file():
                yield path


def is_as_installed(root: Path, commands: tuple[str, ...]) -> bool:
    """Whether spec-kit's own record says that it wrote these very files.

    Only then may its CLI rewrite them: otherwise it would lose what a person changed.
    """
    try:
        hashes = files.read_json(root / _INTEGRATION)["files"]
        return all(hashes[name] == sha256(files.read(root / name)) for name in commands)
    except (OSError, ValueError, KeyError, TypeError):
        return False
