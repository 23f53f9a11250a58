"""All that a repository holds, to look for what must not be there."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.harness import Harness


def objects(harness: Harness) -> bytes:
    """Return the contents of every object of the rig's remote."""
    argv = ["git", "cat-file", "--batch-all-objects", "--batch"]
    done = subprocess.run(
        argv, cwd=harness.remote, env=harness.env, check=True, capture_output=True
    )
    return done.stdout
