"""Repositories of every flavour, as their own tools leave them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.harness import Harness

SPECIFY = Path(sys.executable).parent / "specify"
_INIT = ("--integration", "opencode", "--script", "sh", "--force", "--ignore-agent-tools")

STOCK = """\
---
description: Execute the implementation plan
scripts:
  sh: scripts/bash/check-prerequisites.sh --json
---

## User Input

```text
$ARGUMENTS
```

## Outline

1. Run the script and parse FEATURE_DIR.
2. **STOP** and ask if a checklist is not complete.
3. Execute all tasks of tasks.md and mark them [X].\
"""  # without a last newline: as it is, it must come back
TASKS = "---\r\ndescription: Write tasks.md\r\n---\r\n\r\nWrite tasks.md.\r\n"


def specify(harness: Harness, *argv: str) -> None:
    """Run the real CLI in the checkout."""
    done = subprocess.run(
        [str(SPECIFY), *argv],
        cwd=harness.checkout,
        env=harness.env,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def init(harness: Harness) -> None:
    """Make, or make again, what ``specify init`` makes in an existing folder."""
    specify(harness, "init", "--here", *_INIT, "--non-interactive")


def upstream(harness: Harness) -> None:
    """Spec-kit as its CLI makes it, which is on PATH."""
    with_cli(harness)
    init(harness)


def with_cli(harness: Harness) -> None:
    """Put the CLI on PATH, and nothing else of the tests' environment."""
    folder = harness.folder / "cli"
    folder.mkdir()
    (folder / "specify").symlink_to(SPECIFY)
    harness.env["PATH"] = f"{folder}:{harness.env['PATH']}"


def without_cli(harness: Harness) -> None:
    """Leave on PATH only what has no ``specify``."""
    kept = (part for part in harness.env["PATH"].split(":") if not Path(part, "specify").exists())
    harness.env["PATH"] = ":".join(kept)


def upstream_without_cli(harness: Harness) -> None:
    """The same, on a machine that has no CLI."""
    init(harness)
    without_cli(harness)


def singular(harness: Harness) -> None:
    """Spec-kit before 0.8.10, which knew no manifest and one folder of another name."""
    without_cli(harness)
    harness.write(".opencode/command/speckit.implement.md", STOCK)
    harness.write(".opencode/command/speckit.tasks.md", TASKS)
    harness.write(".specify/memory/constitution.md", "# Rules\n")


def old(harness: Harness) -> None:
    """Spec-kit before October 2025: commands without a prefix."""
    without_cli(harness)
    harness.write(".opencode/command/implement.md", STOCK)
    harness.write(".opencode/command/tasks.md", TASKS)
    harness.write(".specify/memory/constitution.md", "# Rules\n")


def own(harness: Harness) -> None:
    """No spec-kit, and commands that somebody wrote by hand."""
    without_cli(harness)
    harness.write(
        ".opencode/commands/implement.md", "---\ndescription: Mine.\n---\nDo $ARGUMENTS.\n"
    )
    harness.write(".opencode/commands/tasks.md", "---\ndescription: Mine.\n---\nList them.\n")


def fork(harness: Harness) -> None:
    """The fork with its own preset, on a machine that has upstream's CLI on PATH."""
    with_cli(harness)
    harness.write(".opencode/commands/spec.implement.md", STOCK)
    harness.write(".opencode/commands/spec.tasks.md", TASKS)
    harness.write(".specify/presets/agentic-sdlc/preset.yml", 'schema_version: "1.0"\n')
    harness.write(".specify/presets/.registry", '{"schema_version": "1.0", "presets": {}}\n')
    harness.write(".specify/init-options.json", '{"ai": "opencode", "script": "sh"}\n')


def none(harness: Harness) -> None:
    """No spec-kit at all."""
    without_cli(harness)


FLAVOURS = {
    make.__name__: (make, typed)
    for make, typed in (
        (upstream, "speckit.implement"),
        (upstream_without_cli, "speckit.implement"),
        (singular, "speckit.implement"),
        (fork, "spec.implement"),
        (old, "implement"),
        (own, "implement"),
        (none, "implement"),
    )
}
