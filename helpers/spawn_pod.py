#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["kubernetes>=31", "pyyaml>=6"]
# ///
"""Start a task's attempt in Kubernetes: ``spawn_pod.py TASK [BRANCH REPOSITORY]``."""

import os
import sys

from sdlc_runner.__main__ import start
from sdlc_runner.cli.legacy_scripts import spawn_pod

if __name__ == "__main__":
    sys.argv[1:] = spawn_pod(sys.argv[1:], os.environ)
    start()
