"""A rig for tests of the whole way: real git, a bare remote, the real command, scripted agents.

Every line that a verb prints is checked against the schema on the way.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shlex
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import jsonschema

import sdlc_runner

if TYPE_CHECKING:
    from collections.abc import Callable

HELPERS = Path(sdlc_runner.__file__).parents[1]
SCHEMA = json.loads((Path(sdlc_runner.__file__).parent / "event.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FEATURE = "001-demo"
Event = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """How one call ended, and what it printed."""

    code: int
    events: list[Event]
    stdout: str
    stderr: str

    def of(self, type_: str, task: str | None = None) -> list[Event]:
        """Return the events of one type, of one task."""
        return [
            event
            for event in self.events
            if event["type"] == type_ and (task is None or event.get("task") == task)
        ]

    def outcome(self, task: str) -> Event:
        """Return the newest outcome of a task."""
        return self.of("outcome", task)[-1]

    @property
    def error(self) -> Event:
        """Return the one error."""
        (error,) = self.of("error")
        return error


def parse(stdout: str) -> list[Event]:
    """Read and check every line."""
    events = [json.loads(line) for line in stdout.splitlines()]
    for event in events:
        VALIDATOR.validate(event)
    return events


@dataclass
class Harness:
    """A checkout on a feature branch, its bare remote, and an environment of its own."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    seconds: float = 100  # that one call may take

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def remote(self) -> Path:
        return self.folder / "remote.git"

    @property
    def state(self) -> Path:
        return self.folder / "state" / "sdlc-runner"

    @property
    def tasks_file(self) -> Path:
        return self.checkout / "specs" / FEATURE / "tasks.md"

    def git(self, *args: str, cwd: Path | None = None, check: bool = True) -> str:
        """Run git as the user, by default in the checkout."""
        done = subprocess.run(
            ["git", *args],
            cwd=cwd or self.checkout,
            env=self.env,
            check=False,
            capture_output=True,
            text=True,
        )
        if check and done.returncode:
            raise AssertionError(f"git {' '.join(args)}: {done.stderr}")
        return done.stdout.strip()

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file in the checkout."""
        path = self.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    def tasks(self, text: str | bytes, *, push: bool = True) -> None:
        """Write tasks.md; by default commit and push it."""
        self.write(f"specs/{FEATURE}/tasks.md", text)
        if push:
            self.commit("Plan the tasks")

    def commit(self, message: str, *, push: bool = True) -> str:
        """Commit everything, by default push it; return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        if push:
            self.git("push", "--quiet", "origin", "HEAD")
        return self.git("rev-parse", "HEAD")

    def agent(self, script: str) -> None:
        """Set the agent: a Python script; ``task`` and ``prompt`` are there for it to use."""
        head = (
            "import os, pathlib, re, subprocess, sys, time\n"
            "prompt = sys.stdin.read()\n"
            "task = re.search(r'Implement task (\\S+) ', prompt)[1]\n"
        )
        path = self.folder / "agent.py"
        path.write_text(head + textwrap.dedent(script))
        self.env["SDLC_RUNNER_AGENT_COMMAND"] = shlex.join([sys.executable, str(path)])

    def command(self, *args: str) -> list[str]:
        """Return the command line of a verb."""
        return [sys.executable, "-m", "sdlc_runner", *args]

    def start(
        self,
        *args: str,
        in_session: bool = False,
        stdout: int | IO[bytes] = subprocess.PIPE,
        **env: str,
    ) -> subprocess.Popen[str]:
        """Start the command and do not wait; ``in_session``: as a terminal's session of its own."""
        return subprocess.Popen(
            self.command(*args),
            cwd=self.checkout,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=in_session,
        )

    def run(self, *args: str, cwd: Path | None = None, **env: str) -> Result:
        """Run the command to its end."""
        done = subprocess.run(
            self.command(*args),
            cwd=cwd or self.checkout,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
            timeout=self.seconds,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, parse(done.stdout), done.stdout, done.stderr)

    def on_terminal(self, *args: str, width: int = 100) -> str:
        """Run the command on a terminal of its own; return all that it shows."""
        screen, side = pty.openpty()
        size = struct.pack("HHHH", 40, width, 0, 0)
        fcntl.ioctl(side, termios.TIOCSWINSZ, size)
        child = subprocess.Popen(
            self.command(*args),
            cwd=self.checkout,
            env={**self.env, "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=side,
            stderr=side,
        )
        os.close(side)
        shown = b"".join(iter(lambda: _read(screen), b""))
        os.close(screen)
        child.wait(20)
        assert b"Traceback" not in shown, shown.decode()
        return shown.decode().replace("\r\n", "\n")

    def remote_refs(self) -> dict[str, str]:
        """Return every ref of the remote."""
        text = self.git("for-each-ref", "--format=%(refname) %(objectname)", cwd=self.remote)
        return dict(line.split(" ") for line in text.splitlines())

    def remote_file(self, name: str, ref: str = FEATURE) -> str:
        """Return a file as the remote has it."""
        return self.git("show", f"{ref}:{name}", cwd=self.remote)

    def ticked(self) -> set[str]:
        """Return the ids ticked in the remote's tasks.md."""
        text = self.remote_file(f"specs/{FEATURE}/tasks.md")
        return {line.split()[2] for line in text.splitlines() if line.lower().startswith("- [x]")}

    def attempt(self, task: str = "T001", number: int = 1) -> Path:
        """Return the folder of a local attempt."""
        (found,) = (self.state / "attempts").glob(f"sdlc-{FEATURE}-{task.lower()}-{number}-*")
        return found

    def journal(self, task: str = "T001", number: int = 1) -> list[Event]:
        """Return the events that an attempt has written so far."""
        path = self.attempt(task, number) / "events.jsonl"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def wait_for(self, path: Path, seconds: float = 20) -> None:
        """Wait until a file is there."""
        until(path.exists, seconds)

    def worker_pid(self, task: str = "T001", number: int = 1) -> int:
        """Return the process id of a running attempt."""
        path = self.attempt(task, number) / "pid"
        until(path.exists)
        return int(path.read_text())

    def kill_attempts(self) -> None:
        """End what a test left running."""
        for path in self.state.glob("attempts/*/pid"):
            try:
                pid = int(path.read_text())
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"sdlc_runner.worker" in command:
                    os.kill(pid, signal.SIGKILL)
            except (OSError, ValueError):
                continue


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65536)
    except OSError:  # Linux says EIO when nobody has the terminal open any more
        return b""


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def create(folder: Path) -> Harness:
    """Make a rig: remote with a default branch, checkout on the feature branch, all pushed."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("GIT_", "PYTHON", "SDLC_RUNNER_", "XDG_", "OPENCODE", "SPECIFY_", "COV_")
        )
    }
    home = folder / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[user]\n\tname = User\n\temail = user@localhost\n[init]\n\tdefaultBranch = main\n"
    )
    harness = Harness(
        folder,
        {
            **kept,
            "HOME": str(home),
            "PYTHONPATH": str(HELPERS),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "GIT_CONFIG_NOSYSTEM": "1",
        },
    )
    harness.checkout.mkdir()
    harness.git("init", "--quiet", "--bare", str(harness.remote), cwd=folder)
    harness.git("init", "--quiet")
    harness.git("remote", "add", "origin", str(harness.remote))
    harness.write("README.md", "# Demo\n")
    harness.commit("Begin")
    harness.git("switch", "--quiet", "-c", FEATURE)
    harness.write(f"specs/{FEATURE}/spec.md", "# Spec\n")
    harness.write(f"specs/{FEATURE}/plan.md", "# Plan\n")
    harness.commit("Specify")
    harness.agent("pathlib.Path(f'{task}.txt').write_text(f'done by {task}\\n')")
    return harness
