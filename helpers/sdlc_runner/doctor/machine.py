"""What this machine needs: Python, git, OpenCode, and a state folder."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner import process
from sdlc_runner.doctor.check_result import CheckResult
from sdlc_runner.errors import Code, RunnerError, UsageError
from sdlc_runner.git.command import Git

if TYPE_CHECKING:
    from sdlc_runner.orchestrator.project import Project

OLDEST_PYTHON = (3, 10)
OLDEST_GIT = (2, 34)
OPENCODE_TRIED = "1.18"
_INSTALL_OPENCODE = "Run `npm install -g opencode-ai@1.18.33`"
_LEAST_BYTES = 200 * 1024 * 1024
_VERSION_SECONDS = 30.0


def python() -> str:
    """Check the version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        raise UsageError(
            Code.BAD_CONFIG, f"Python {version} is too old.", "Use Python 3.10 or newer."
        )
    return f"Python {version}"


def git() -> str:
    """Check the version of git."""
    text = Git(Path("/")).run("--version")
    match = re.search(r"(\d+)\.(\d+)", text)
    if match is None or (int(match[1]), int(match[2])) < OLDEST_GIT:
        raise UsageError(Code.NO_GIT, f"{text} is too old.", "Use git 2.34 or newer.")
    return text


def agent(found: Project) -> str:
    """Check the program that does the work of local attempts."""
    command = found.settings.agent.command
    if command:
        if shutil.which(command[0]) is None:
            raise UsageError(
                Code.BAD_CONFIG,
                f"The program of agent.command was not found: {command[0]}",
                "Install it, or correct agent.command.",
            )
        return f"your own command: {' '.join(command)}"
    version = _opencode()
    if not version:
        raise UsageError(
            Code.BAD_CONFIG,
            "OpenCode is not installed, or does not start.",
            f"{_INSTALL_OPENCODE}, or set agent.command.",
        )
    return version


def opencode() -> CheckResult:
    """Check OpenCode where only ``attach`` needs it."""
    version = _opencode()
    if not version:
        return CheckResult("OpenCode is not installed; only `attach` needs it.", _INSTALL_OPENCODE)
    return CheckResult(f"{version}, for `attach`")


def _opencode() -> str:
    done = process.run(("opencode", "--version"), timeout=_VERSION_SECONDS)
    if not done.ok:
        return ""
    tried = "" if done.text.startswith(OPENCODE_TRIED) else f" (tried with {OPENCODE_TRIED})"
    return f"OpenCode {done.text}{tried}"


def state(found: Project) -> str:
    """Check the folder for local attempts and for merging."""
    folder = found.state
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise RunnerError(
            Code.STATE_UNWRITABLE,
            f"{folder}: {error.strerror}.",
            "Set XDG_STATE_HOME to a folder that you can write to.",
        ) from error
    if not os.access(folder, os.W_OK):
        raise RunnerError(
            Code.STATE_UNWRITABLE,
            f"{folder} is not writable.",
            "Set XDG_STATE_HOME to a folder that you can write to.",
        )
    if free < _LEAST_BYTES:
        raise RunnerError(
            Code.DISK_FULL,
            f"{folder} has {free >> 20} MiB left.",
            "Run `sdlc-runner gc` to remove ended attempts.",
        )
    return f"{folder}, {free >> 20} MiB free"
