"""Plays an attempt's pod on this machine: its folders, and one process for each container."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sdlc_runner

HELPERS = Path(sdlc_runner.__file__).parents[1]
PASSWORD = "server-password-for-tests"
_FOLDERS = "workspace attempt home/agent etc/sdlc-runner dev secrets/git secrets/model"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return int(own.getsockname()[1])


@dataclass
class Pod:
    """A pod's volumes below ``root``, and the containers started so far."""

    root: Path
    spec: str
    env: dict[str, str]
    port: int = field(default_factory=free_port)
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    user: int | None = None
    python: str = sys.executable

    def __post_init__(self) -> None:
        for name in _FOLDERS.split():
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self.secret("server", "server-password", PASSWORD + "\n")
        (self.root / "etc/sdlc-runner/spec.json").write_text(self.spec)

    def secret(self, kind: str, name: str, text: str) -> Path:
        """Write one key of a Secret."""
        path = self.root / "secrets" / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    def start(self, role: str, **env: str) -> subprocess.Popen[str]:
        """Start one container."""
        own = {
            **self.env,
            "PYTHONPATH": str(HELPERS),
            "SDLC_RUNNER_POD_ROOT": str(self.root),
            "SDLC_RUNNER_AGENT_PORT": str(self.port),
            **env,
        }
        out, log = (self.root / f"{role}.out").open("w"), (self.root / f"{role}.log").open("w")
        with out, log:
            child = subprocess.Popen(
                [self.python, "-m", "sdlc_runner.worker.pod", role],
                cwd=self.root,
                env=own,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                text=True,
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
            )
        self.running.append(child)
        return child

    def run(self, role: str = "runner", **env: str) -> int:
        """Run one container to its end; returns its exit code."""
        return self.start(role, **env).wait(100)

    def events(self, role: str = "runner") -> list[dict[str, Any]]:
        """Return what a container printed: events and nothing else."""
        text = (self.root / f"{role}.out").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def errors(self, role: str = "runner") -> str:
        """Return what a container printed on stderr."""
        return (self.root / f"{role}.log").read_text()

    @property
    def claim(self) -> dict[str, Any]:
        """Return the termination message."""
        text = (self.root / "dev/termination-log").read_text()
        assert len(text.encode()) <= 4096
        record: dict[str, Any] = json.loads(text)
        return record

    def stop(self) -> None:
        """End every container, and what it has started."""
        for child in self.running:
            if child.poll() is None:
                child.kill()
                child.wait()
        # Deeper than Python can remove, which pytest would try later.
        subprocess.run(["rm", "-rf", str(self.workspace)], check=False)


def environment(**more: str) -> dict[str, str]:
    """Return an environment without anything of the user's own."""
    return {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", **more}


def call(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program of the package to its end."""
    return subprocess.run(
        command,
        env={**env, "PYTHONPATH": str(HELPERS)},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
