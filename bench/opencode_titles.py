"""What the plugin that shows titles adds to the start of OpenCode."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from bench import figures
from support import harness as rigs
from support.opencode import program as opencode_program

_ROUNDS = 10
_MOST = 0.3
_SWITCHES = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}


def measure() -> bool:
    """Start OpenCode in two checkouts with the bundle, one of them with the plugin."""
    program = opencode_program.find()
    if program is None:
        raise SystemExit("no OpenCode: set SDLC_RUNNER_TEST_OPENCODE, or put opencode on PATH")
    with tempfile.TemporaryDirectory() as folder:
        with_titles = _checkout(Path(folder, "with"), "--live-titles")
        without = _checkout(Path(folder, "without"))
        ours, theirs = figures.interleaved(
            lambda: _start(program, with_titles), lambda: _start(program, without), _ROUNDS
        )
    figures.show("titles", {"start with live titles": ours, "start without": theirs}, "s")
    more = statistics.median(a - b for a, b in zip(ours, theirs, strict=True))
    text = f"live titles add {more:+.3f} s to OpenCode's start, at most {_MOST} s"
    return figures.verdict("titles", text, kept=more <= _MOST)


def _checkout(folder: Path, *flags: str) -> rigs.Harness:
    """Make a checkout with the bundle, and a user's folder that OpenCode has filled before."""
    folder.mkdir()
    made = rigs.create(folder)
    made.env |= _SWITCHES
    own = Path(made.env["XDG_CONFIG_HOME"], "opencode")
    (own / "node_modules").mkdir(parents=True)
    lock = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": "*"}}}}
    (own / "package-lock.json").write_text(json.dumps(lock))
    assert made.run("install", *flags).code == 0
    return made


def _start(program: Path, harness: rigs.Harness) -> float:
    """Return the seconds until a session can begin, when agents and plugins are loaded."""
    began = time.perf_counter()
    with subprocess.Popen(
        [str(program), "serve", "--port", "0"],
        cwd=harness.checkout,
        env={**os.environ, **harness.env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            line = next(line for line in server.stdout if "http://" in line)
            url = "http://" + line.partition("http://")[2].strip()
            for what, body in (("agent", None), ("session", b"{}")):
                head = {"content-type": "application/json"}
                request = urllib.request.Request(f"{url}/{what}", body, head)  # noqa: S310
                urllib.request.urlopen(request, timeout=200).close()  # noqa: S310 - our server
            return time.perf_counter() - began
        finally:
            server.kill()
