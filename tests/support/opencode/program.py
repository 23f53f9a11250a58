"""Where the real OpenCode is on this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

INSTALLED = Path(__file__).resolve().parents[3] / ".cache/opencode/opencode"


def find() -> Path | None:
    """Return the program, if there is one."""
    named = os.environ.get("SDLC_RUNNER_TEST_OPENCODE") or shutil.which("opencode")
    program = named or (str(INSTALLED) if INSTALLED.exists() else None)
    return Path(program).resolve() if program else None


def skip() -> NoReturn:
    """Skip the test for want of it; in CI it fails."""
    message = "no OpenCode: set SDLC_RUNNER_TEST_OPENCODE, or put opencode on PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
