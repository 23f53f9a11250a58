"""Attempts as detached processes on this machine, each with its own clone. It is not a sandbox.

The process that holds the lock on an attempt's ``alive`` file is the attempt: the starter takes the
lock and passes it to the worker that it starts, so two can never start at once, and a dead attempt
never looks alive.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlc_runner import files, process
from sdlc_runner.attempt import naming
from sdlc_runner.attempt import spec as attempt_spec
from sdlc_runner.attempt.spec import BackendStatus
from sdlc_runner.backends.base import AttemptStatus, TailUpdate, still_running
from sdlc_runner.digest import digest
from sdlc_runner.errors import Code, RunnerError, UsageError, disk_full
from sdlc_runner.events.codec import parse
from sdlc_runner.events.types import EventType
from sdlc_runner.git.remote_url import normalize_remote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.backends.base import AgentServer

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_LOCK_TRIES = 10
_LOCK_PAUSE = 0.02
_PID_SECONDS = 5.0
_TAIL_BYTES = 256 * 1024
_READ_BYTES = 1 << 20
_LOCK, _JOURNAL = "alive", "events.jsonl"


@dataclass(frozen=True)
class LocalBackend:
    """Attempts below ``state``, the user's own state directory."""

    state: Path
    environ: Mapping[str, str]
    kind: str = field(default="local", init=False)
    starts_at_once: int = field(default=1, init=False)
    runs_on_this_machine: bool = field(default=True, init=False)

    @property
    def where(self) -> str:
        """A hash that identifies this machine and state directory without naming them."""
        return "local:" + digest(socket.gethostname(), str(self.state))[:12]

    @property
    def _attempts(self) -> Path:
        return self.state / "attempts"

    def start(self, spec: AttemptSpec, *, renew: bool = False) -> tuple[AttemptStatus, bool]:
        """Start the worker, unless the attempt is alive or (without ``renew``) has ended here."""
        folder = self._attempts / _name(spec)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            alive = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unwritable(folder, error) from error
        try:
            started = _take(alive) and (renew or not (folder / "exit.json").exists())
            if started:
                self._launch(folder, spec, alive)
        except OSError as error:
            raise _unwritable(folder, error) from error
        finally:
            os.close(alive)
        return self._status(folder, spec), started

    def _launch(self, folder: Path, spec: AttemptSpec, alive: int) -> None:
        """Start the worker, which inherits the lock; what an earlier start left is removed."""
        for leftover in ("git", "work", "pid", "cancel", "exit.json"):
            _remove(folder / leftover)
        files.write(folder / "spec.json", spec.to_json())
        env = {**self.environ, "PYTHONPATH": str(_PACKAGE_ROOT)}
        with (folder / "worker.log").open("ab") as log:
            process.start_detached(
                (sys.executable, "-m", "sdlc_runner.worker", str(folder), self.where),
                cwd=folder,
                env=env,
                output=log,
                pass_fds=(alive,),
            )

    def list_attempts(self, feature: str, remote: str) -> list[AttemptStatus]:
        """Return the attempts of a feature that have a folder here."""
        wanted = normalize_remote(remote)
        found = []
        for file in sorted(self._attempts.glob("*/spec.json")):
            try:
                spec = attempt_spec.load(file.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, RunnerError):
                continue  # removed at this moment, or not ours
            if spec.key.feature == feature and _origin(spec) == wanted:
                found.append(self._status(file.parent, spec))
        return found

    def refresh(self, status: AttemptStatus) -> AttemptStatus:
        """Look at its folder again."""
        return self._status(Path(status.place), status.spec)

    def _status(self, folder: Path, spec: AttemptSpec) -> AttemptStatus:
        ending, since = _ending(folder, spec), None
        with contextlib.suppress(OSError):
            since = (folder / "spec.json").stat().st_mtime
        return AttemptStatus(folder.name, str(folder), spec, ending, since)

    def moved(self, status: AttemptStatus) -> str:  # noqa: ARG002 - the backends' common form
        """Return nothing: it is made from its specification alone."""
        return ""

    def tail(self, status: AttemptStatus) -> _JournalTail:
        """Follow its journal."""
        return _JournalTail(Path(status.place))

    def log(self, status: AttemptStatus) -> Iterator[bytes]:
        """Yield the journal, 1 MiB at a time."""
        offset = 0
        while data := _read(Path(status.place), offset):
            offset += len(data)
            yield data

    def newest(self, status: AttemptStatus) -> bytes:
        """Return the journal's last 256 KiB."""
        return _end_of(Path(status.place) / _JOURNAL)

    def wait(self, seconds: float) -> None:
        """Sleep: nothing reports when a journal grows."""
        time.sleep(seconds)

    def agent_server(self, status: AttemptStatus) -> AgentServer:
        """Refuse: the agent of a local attempt has no server that can be reached."""
        raise UsageError(
            Code.UNSUPPORTED_BACKEND,
            f"{status.spec.key} runs on this machine, where agents have no server to attach to.",
            "`attach` and `send` work with `backend: kubernetes`.",
        )

    def cancel(self, status: AttemptStatus) -> None:
        """Record that the user wants it to end, then signal the worker."""
        folder = Path(status.place)
        (folder / "cancel").touch()
        deadline = time.monotonic() + _PID_SECONDS
        while _is_alive(folder) and time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
                return
            time.sleep(_LOCK_PAUSE)

    def remove(self, status: AttemptStatus) -> None:
        """Remove the folder of an ended attempt."""
        if _is_alive(Path(status.place)):
            raise still_running(status.spec.key)
        _remove(Path(status.place))


def _name(spec: AttemptSpec) -> str:
    text = "\n".join(task.text for task in spec.tasks)
    return naming.Identity(_origin(spec), spec.key, spec.task_ids, text).name


def _origin(spec: AttemptSpec) -> str:
    return normalize_remote(spec.origin or spec.remote)


def _take(handle: int) -> bool:
    """Take the lock; tried for a moment, since a mere check holds it for an instant."""
    for _ in range(_LOCK_TRIES):
        if files.try_lock(handle):
            return True
        time.sleep(_LOCK_PAUSE)
    return False


def _is_alive(folder: Path) -> bool:
    """Whether a process holds the attempt's lock."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        return not files.try_lock(handle, shared=True)
    finally:
        os.close(handle)


def _ending(folder: Path, spec: AttemptSpec) -> BackendStatus:
    """Return what the folder says; whether it is alive is checked first."""
    alive = _is_alive(folder)
    ended = _read_json(folder / "exit.json").get("exit")
    return BackendStatus(
        known=folder.exists(),
        alive=alive,
        cancelled=(folder / "cancel").exists(),
        exit_code=ended if isinstance(ended, int) else None,
        claim=_claim(folder / _JOURNAL, spec),
    )


def _claim(journal: Path, spec: AttemptSpec) -> Mapping[str, Any]:
    """Return the newest ``result`` in the journal's end; empty if there is none."""
    events = (parse(line, spec.key) for line in reversed(_end_of(journal).splitlines()))
    return next((e.fields for e in events if e and e.type is EventType.RESULT), {})


def _end_of(journal: Path) -> bytes:
    try:
        with journal.open("rb") as file:
            file.seek(max(0, journal.stat().st_size - _TAIL_BYTES))
            return file.read()
    except OSError:
        return b""


def _read(folder: Path, offset: int) -> bytes:
    """Return at most 1 MiB of the journal from ``offset`` on."""
    try:
        with (folder / _JOURNAL).open("rb") as file:
            file.seek(offset)
            return file.read(_READ_BYTES)
    except FileNotFoundError:
        return b""


class _JournalTail:
    """Reads on in the journal; over once it was not alive before a read that found nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offset = 0

    def poll_log(self) -> TailUpdate:
        alive = _is_alive(self._folder)
        data = _read(self._folder, self._offset)
        self._offset += len(data)
        return TailUpdate(data, over=not data and not alive)

    def close(self) -> None:
        """Nothing is held open."""


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        record = files.read_json(path)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _remove(path: Path) -> None:
    """Remove a file or a folder, read-only parts of a clone included."""
    if path.is_dir() and not path.is_symlink():
        for folder, names, _ in os.walk(path):
            for name in names:
                with contextlib.suppress(OSError):
                    (Path(folder) / name).chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> RunnerError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return disk_full(str(folder))
    return RunnerError(
        Code.STATE_UNWRITABLE,
        f"The state directory cannot be written: {folder}: {error.strerror}.",
        "Set XDG_STATE_HOME to a folder that you can write to.",
    )
