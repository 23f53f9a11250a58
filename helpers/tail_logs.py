#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["kubernetes>=31", "pyyaml>=6"]
# ///
"""Follow the attempt in a pod to its verified outcome: ``tail_logs.py POD``."""

import os
import sys

from sdlc_runner.__main__ import start
from sdlc_runner.cli.legacy_scripts import tail_logs

if __name__ == "__main__":
    sys.argv[1:] = tail_logs(sys.argv[1:], os.environ)
    start()
