#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["kubernetes>=31", "pyyaml>=6"]
# ///
"""Run a command of the bundle: ``python3 .opencode/sdlc-runner/run.py COMMAND``."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the package beside this file or, in the runner's own repository, in ``helpers``."""
    if sys.version_info < (3, 10):  # noqa: UP036 - this file runs before any version is checked
        sys.exit(f"error: Python 3.10 or newer is needed; {sys.executable} is {sys.version[:6]}")
    beside = (HERE / "sdlc_runner").is_dir()
    sys.path.insert(0, str(HERE if beside else HERE.parents[1] / "helpers"))
    from sdlc_runner.cli.bundled_launcher import start  # noqa: PLC0415 - only now importable

    start()


if __name__ == "__main__":
    main()
