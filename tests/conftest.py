"""Versions in the report's head, and how hypothesis works here and in CI."""

from __future__ import annotations

import os
import platform

from hypothesis import settings

from sdlc_runner import process

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_report_header() -> str:
    """Name the versions that decide how things behave."""
    opencode = os.environ.get("SDLC_RUNNER_TEST_OPENCODE")
    return ", ".join(
        [
            f"Python {platform.python_version()}",
            process.run(["git", "--version"]).text,
            f"OpenCode {process.run([opencode, '--version']).text}" if opencode else "no OpenCode",
        ]
    )
