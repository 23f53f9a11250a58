"""What ``install`` put into the repository: whether it is there, and in effect."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sdlc_runner.doctor.check_result import CheckResult
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.install import command_wrapper, manifest, spec_kit_variant
from sdlc_runner.install.worktree import Worktree, sha256
from sdlc_runner.output.render import counted

if TYPE_CHECKING:
    from pathlib import Path

    from sdlc_runner.install.manifest import Manifest

_AGAIN = "Run `sdlc-runner install` and restart OpenCode"


def is_installed(root: Path) -> bool:
    """Whether there is a bundle to check."""
    return (root / manifest.FILE).exists()


def whole(root: Path) -> CheckResult:
    """Check the files of the bundle, and that the one active implement command is the bundle's."""
    target = Worktree(root)
    known = manifest.read(root)
    command = _command(target)
    now = {name: target.read(name) for name in known.files}
    gone = [name for name, content in now.items() if content is None]
    if gone:
        raise UsageError(
            Code.NOT_INSTALLED,
            f"{counted(len(gone), 'file')} of the bundle missing, such as {gone[0]}.",
            f"{_AGAIN}.",
        )
    changed = _changed(known, now)
    if changed:
        message = f"/{command}; {counted(len(changed), 'file')} changed since: {changed[0]}"
        return CheckResult(
            message,
            "To restore it, delete it and run `sdlc-runner install`.",
        )
    return CheckResult(f"/{command}, {counted(len(now), 'file')}")


def _changed(known: Manifest, now: dict[str, bytes | None]) -> list[str]:
    """Return what the user changed; files that the bundle only merged into are left out."""
    return [
        name
        for name, entry in known.files.items()
        if not entry.before and sha256(now[name] or b"") != entry.sha256
    ]


def _command(target: Worktree) -> str:
    live = list(spec_kit_variant.implement_commands(target.root))
    names = {PurePosixPath(name).stem for name in live}
    if len({spec_kit_variant.NAMES[name] for name in names}) > 1:
        raise UsageError(
            Code.SECOND_COMMAND,
            f"There are two implement commands: {' and '.join(live)}.",
            f"Remove the one that you do not use. {_AGAIN}.",
        )
    for name in live:
        if not command_wrapper.is_ours((target.read(name) or b"").decode("utf-8", "replace")):
            raise UsageError(
                Code.STOCK_COMMAND,
                f"{name} is the stock command: something, such as an upgrade, restored it.",
                f"{_AGAIN}.",
            )
    if not live:
        raise UsageError(Code.NOT_INSTALLED, "There is no implement command.", f"{_AGAIN}.")
    return PurePosixPath(live[0]).stem
