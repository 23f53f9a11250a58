"""Starts the copy inside a repository, with the Python packages that the call needs.

Plain Python is enough unless attempts run on Kubernetes or a settings file in YAML is to be
converted; only then the packages are installed, into an environment in the runner's state folder.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sdlc_runner import files, process
from sdlc_runner.__main__ import start as start_here
from sdlc_runner.cli.commands import COMMANDS
from sdlc_runner.digest import digest
from sdlc_runner.errors import Code, RunnerError
from sdlc_runner.events.types import ErrorEvent
from sdlc_runner.output.output import Output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PACKAGES = ("kubernetes>=31", "pyyaml>=6")
_MODULES = ("kubernetes", "yaml")
_SECONDS = 600.0


def start() -> None:
    """Run the command, in the environment with packages if it needs them."""
    argv = sys.argv[1:]
    try:
        if _lacks(argv, os.environ):
            python = _environment(os.environ)
            process.become((str(python), sys.argv[0], *argv), cwd=Path.cwd(), env=dict(os.environ))
    except RunnerError as error:
        output = Output(sys.stdout.buffer, sys.stderr, json=not sys.stdout.isatty())
        output.emit(ErrorEvent(code=error.code.value, message=error.message, hint=error.hint))
        sys.exit(int(error.exit_code))
    start_here()


def _lacks(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether the call needs a package that is missing; a wrong call is reported later."""
    command = COMMANDS.get(argv[0]) if argv else None
    if command is None or not command.uses_backend or all(map(find_spec, _MODULES)):
        return False
    from sdlc_runner.cli.main import make_call  # noqa: PLC0415 - only where packages are missing
    from sdlc_runner.cli.parser import Arguments, build_parser  # noqa: PLC0415
    from sdlc_runner.orchestrator.project import open_project  # noqa: PLC0415

    args = build_parser(COMMANDS, argv[0]).parse_args(argv, namespace=Arguments())
    call = make_call(args, Output(sys.stdout.buffer, sys.stderr), environ, COMMANDS)
    if getattr(args, "pod", None) or getattr(args, "migrate", False):
        return True
    try:
        project = open_project(call.directory, environ, call.home, call.flags)
    except (RunnerError, OSError):
        return False
    return project.uses_cluster


def _environment(environ: Mapping[str, str]) -> Path:
    """Return the Python of the environment; the first call makes it, and others wait for it."""
    from sdlc_runner.orchestrator.project import state_folder  # noqa: PLC0415

    version = ".".join(map(str, sys.version_info[:2]))
    name = f"python{version}-{digest(*PACKAGES)}"
    home = Path(environ.get("HOME") or Path.home())
    folder = state_folder(environ, home) / "packages" / name
    python, stamp = folder / "bin" / "python", folder / ".complete"
    with files.lock(folder.with_name(f"{name}.lock")):
        if not stamp.is_file():
            _make(folder, python)
            stamp.touch()
    return python


def _make(folder: Path, python: Path) -> None:
    names = " and ".join(PACKAGES)
    sys.stderr.write(f"First use: installing {names} into {folder}; this happens only once.\n")
    sys.stderr.flush()
    _step((sys.executable, "-m", "venv", "--clear", str(folder)))
    quiet = ("--quiet", "--no-input", "--disable-pip-version-check")
    _step((str(python), "-m", "pip", "install", *quiet, *PACKAGES))


def _step(argv: Sequence[str]) -> None:
    done = process.run(argv, timeout=_SECONDS)
    if not done.ok:
        words = (done.error_text or done.text).rpartition("\n")[2]
        raise RunnerError(
            Code.NO_PACKAGES,
            f"The packages cannot be installed: {words}",
            f"`uv run {sys.argv[0]} …` installs them for you, or install {' '.join(PACKAGES)}.",
        )
