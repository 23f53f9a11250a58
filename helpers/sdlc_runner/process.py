"""The only door to other programs; never a shell, never a prompt.

``run`` waits for a short-lived program; ``start`` starts one that is followed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_STRAY_ROUNDS = 50
_CROWDED_SECONDS = 5.0
_CROWDED_PAUSE = 0.1
TIMED_OUT = 124
NOT_FOUND = 127


class Completed(NamedTuple):
    """How a program ended; ``code``: negative for a signal, 124 after a timeout, 127 if absent."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        """Whether it ended with 0."""
        return self.code == 0

    @property
    def text(self) -> str:
        """Its output without the last newline."""
        return self.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    @property
    def error_text(self) -> str:
        """What it said on stderr."""
        return self.stderr.decode("utf-8", "replace").strip()


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    stdout: IO[bytes] | None = None,
    timeout: float | None = None,
) -> Completed:
    """Run a program to its end, in a session of its own: a terminal's Ctrl-C does not reach it.

    ``stdout`` takes the output instead of the result; nothing is waited for longer than ``timeout``
    seconds. Raises ``BlockingIOError`` if for some seconds no further process was to be had.
    """
    try:
        child = _spawn(argv, cwd, env, stdout)
    except BlockingIOError:
        raise
    except OSError as error:
        return Completed(tuple(argv), NOT_FOUND, b"", str(error).encode())
    with child:
        try:
            out, err = child.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            end_group(child, 1)
            return Completed(tuple(argv), TIMED_OUT, *_drain(child))
        except BaseException:
            end_group(child, 1)
            raise
    return Completed(tuple(argv), child.returncode, out or b"", err)


def _spawn(
    argv: Sequence[str],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    stdout: IO[bytes] | None,
) -> subprocess.Popen[bytes]:
    """Start a program; try again for a while when there are too many processes."""
    deadline = time.monotonic() + _CROWDED_SECONDS
    while True:
        try:
            return subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=subprocess.PIPE,
                stdout=stdout or subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_CROWDED_PAUSE)


def _drain(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Take what an ended program said; one that escaped its group may hold the pipes for ever."""
    try:
        return child.communicate(timeout=1)
    except subprocess.TimeoutExpired as expired:
        return expired.stdout or b"", expired.stderr or b""


def start(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: int | IO[bytes],
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    pass_fds: Sequence[int] = (),
    dies_with_us: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; raises ``FileNotFoundError`` if it is not there.

    ``dies_with_us`` has the kernel kill it when we end, however we end (Linux only).
    """
    return subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=dict(env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
        preexec_fn=_death_signal() if dies_with_us else None,  # noqa: PLW1509
    )


def become(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> NoReturn:
    """Become another program; raises ``FileNotFoundError`` if it is not there."""
    os.chdir(cwd)
    os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606 - this is the door


def lend_terminal(argv: Sequence[str], *, env: Mapping[str, str]) -> int:
    """Let a program have our terminal to its end; its exit code, 127 if it is not there.

    Ctrl-C is the program's meanwhile.
    """
    former = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        with subprocess.Popen(list(argv), env=dict(env)) as child:
            try:
                return child.wait()
            except BaseException:
                child.terminate()  # it gives the terminal back as it was
                raise
    except FileNotFoundError:
        return NOT_FOUND
    finally:
        signal.signal(signal.SIGINT, former)


def start_detached(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: IO[bytes],
    pass_fds: Sequence[int],
) -> None:
    """Start a program that outlives us; its end is read from what it leaves behind."""
    child = start(
        argv, cwd=cwd, env=env, stdin=DEVNULL, stdout=output, stderr=output, pass_fds=pass_fds
    )
    child.returncode = 0  # so that Python does not complain that we did not wait


def _death_signal() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    import ctypes  # noqa: PLC0415 - slow to import, and most verbs start no agent

    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

    return ask


@contextlib.contextmanager
def without_strays() -> Iterator[None]:
    """End whatever programs started meanwhile leave behind, wherever they put it (Linux only).

    Nothing of ours may run when the block ends.
    """
    _adopt(1)
    try:
        yield
    finally:
        _end_strays()
        _adopt(0)


def _adopt(on: int) -> None:
    """Become the parent of what our programs leave behind, or leave that to the system again."""
    if sys.platform.startswith("linux"):
        import ctypes  # noqa: PLC0415 - slow to import, and most verbs start no agent

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, on, 0, 0, 0)


def _end_strays() -> None:
    """Kill our children, and theirs as they become ours."""
    for _ in range(_STRAY_ROUNDS):
        strays = _children(os.getpid())
        if not strays:
            return
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children(parent: int) -> list[int]:
    """Return the processes whose parent this is; none where there is no /proc."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name before may hold anything, but it ends with the last parenthesis.
            after_name = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
            if int(after_name.split()[1]) == parent:
                found.append(int(file.parent.name))
    return found


def end_group(child: subprocess.Popen[bytes], grace: float) -> None:
    """End a program and all that it started: SIGTERM, then SIGKILL after ``grace`` seconds."""
    for sig, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, sig)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)


PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
Process = subprocess.Popen
