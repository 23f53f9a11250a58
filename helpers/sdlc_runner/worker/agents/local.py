"""The place of agents that are child processes of the worker, followed without ever blocking."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypeVar

from sdlc_runner import process
from sdlc_runner.events.types import Outcome, WarningEvent
from sdlc_runner.worker.agents import opencode_config
from sdlc_runner.worker.agents.base import STOPPED, AgentResult
from sdlc_runner.worker.agents.limits import Heartbeat, LimitCheck
from sdlc_runner.worker.agents.opencode_events import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path
    from threading import Event as Flag

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.config.settings import Limits
    from sdlc_runner.worker.agents.base import AgentVerdict, Emit, OnLine, OnTick
    from sdlc_runner.worker.masking import Masker, MaskStream


LINE_LIMIT = 64 * 1024
"""A longer line is cut into pieces."""
JSON_LINE_LIMIT = 1024 * 1024
"""The same for a line that begins as a JSON object: a tool's output makes these long."""
_CHUNK = 16 * 1024  # small, so that even a flood lets the limits be checked many times a second
_TICK = 0.05
_DRAIN_SECONDS = 1.0

EndT = TypeVar("EndT")


class Lines:
    """Cuts a masked stream of bytes into lines of bounded length."""

    def __init__(self, mask: MaskStream) -> None:
        self._mask = mask
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Return the lines that a piece completes."""
        *whole, self._rest = (self._rest + self._mask.feed(chunk)).split(b"\n")
        for line in whole:
            yield _decode(line)
        while len(self._rest) > _limit(self._rest):
            cut = _border(self._rest, _limit(self._rest))
            yield _decode(self._rest[:cut])
            self._rest = self._rest[cut:]

    def flush(self) -> Iterator[str]:
        """Return the rest: nothing comes any more."""
        yield from self.feed(self._mask.flush())
        rest, self._rest = self._rest, b""
        if rest:
            yield _decode(rest)


def _limit(rest: bytes) -> int:
    return JSON_LINE_LIMIT if rest.startswith(b"{") else LINE_LIMIT


def _border(text: bytes, limit: int) -> int:
    """Return a place at or just before ``limit`` where no UTF-8 character is cut in two."""
    for cut in range(limit, limit - 4, -1):
        if text[cut] & 0xC0 != 0x80:  # noqa: PLR2004 - 10xxxxxx continues a character
            return cut
    return limit


def _decode(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", "replace")


class _Pipes:
    """The pipes of one child."""

    def __init__(self, child: process.Process[bytes], stdin: bytes, masker: Masker) -> None:
        self._selector = selectors.DefaultSelector()
        self._stdin = memoryview(stdin)
        self._lines: dict[str, Lines] = {}
        for name, pipe in (
            ("stdin", child.stdin),
            ("stdout", child.stdout),
            ("stderr", child.stderr),
        ):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                side = selectors.EVENT_WRITE if name == "stdin" else selectors.EVENT_READ
                self._selector.register(pipe, side, name)
                self._lines[name] = Lines(masker.stream())

    @property
    def is_open(self) -> bool:
        """Whether the child, or something it started, can still write."""
        return any(key.data != "stdin" for key in self._selector.get_map().values())

    def round(self, timeout: float) -> Iterator[tuple[str, str]]:
        """Wait a little; write what can be written, and return the lines that came."""
        if not self._selector.get_map():
            time.sleep(timeout)
        for key, _ in self._selector.select(timeout):
            pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
            if key.data == "stdin":
                self._write(pipe)
            else:
                yield from self._read(pipe, key.data)

    def _write(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                self._stdin = self._stdin[os.write(pipe.fileno(), self._stdin[:_CHUNK]) :]
            except BrokenPipeError:
                self._stdin = self._stdin[:0]
            if not self._stdin:
                self._close(pipe)

    def _read(self, pipe: IO[bytes], name: str) -> Iterator[tuple[str, str]]:
        try:
            chunk = os.read(pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            self._close(pipe)
        for line in self._lines[name].feed(chunk) if chunk else self._lines[name].flush():
            yield name, line

    def _close(self, pipe: IO[bytes]) -> None:
        self._selector.unregister(pipe)
        pipe.close()

    def close(self) -> Iterator[tuple[str, str]]:
        """Close what is still open, and return what was held back."""
        for key in list(self._selector.get_map().values()):
            pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
            self._close(pipe)
            for line in self._lines[key.data].flush():
                yield key.data, line
        self._selector.close()


def follow(
    child: process.Process[bytes],
    *,
    stdin: bytes,
    masker: Masker,
    on_line: OnLine,
    check: Callable[[], EndT | None],
    grace: float,
) -> EndT | None:
    """Follow a child until it ends or ``check`` names a cause to end it; nothing of it is left.

    ``on_line`` gets the stream's name and each line. A background child that keeps the pipes
    open is ended too, or, if it left the group, no longer read.
    """
    pipes = _Pipes(child, stdin, masker)
    try:
        cause = _until_end(child, pipes, on_line, check)
        process.end_group(child, grace)
        deadline = time.monotonic() + _DRAIN_SECONDS
        while pipes.is_open and time.monotonic() < deadline:
            _pass_on(pipes.round(_TICK), on_line)
    except BaseException:
        process.end_group(child, 0)
        raise
    finally:
        held = list(pipes.close())
    _pass_on(iter(held), on_line)
    return cause


def _until_end(
    child: process.Process[bytes],
    pipes: _Pipes,
    on_line: OnLine,
    check: Callable[[], EndT | None],
) -> EndT | None:
    while True:
        ended = child.poll() is not None
        _pass_on(pipes.round(0 if ended else _TICK), on_line)
        if ended:
            return None
        cause = check()
        if cause is not None:
            return cause


def _pass_on(lines: Iterator[tuple[str, str]], on_line: OnLine) -> None:
    for name, line in lines:
        on_line(name, line)


@dataclass(frozen=True)
class LocalPlace:
    """Starts programs as children in the work tree; ``stop`` ends them."""

    spec: AttemptSpec
    work: Path
    environ: Mapping[str, str]
    stop: Flag
    masker: Masker

    def turn(self) -> AbstractContextManager[None]:
        """End servers, watchers: whatever the agent left running."""
        return process.without_strays()

    def shell(self, command: str, seconds: float, on_line: OnLine, on_tick: OnTick) -> int:
        """Run a shell command as a child, without standard input."""
        deadline = time.monotonic() + seconds

        def check() -> int | None:
            on_tick()
            if self.stop.is_set():
                return STOPPED
            return process.TIMED_OUT if time.monotonic() >= deadline else None

        child = self._start(("sh", "-c", command), process.DEVNULL)
        cause = follow(child, stdin=b"", masker=self.masker, on_line=on_line, check=check, grace=1)
        if cause is not None:
            return cause
        return child.returncode if child.returncode >= 0 else 128 - child.returncode

    def follow_agent(
        self, argv: tuple[str, ...], limits: Limits, prompt: str, emit: Emit
    ) -> tuple[AgentVerdict | None, Translator, int] | AgentResult:
        """Run an agent's program to its end or to a limit; the prompt comes on its standard input.

        Returns the limit that ended it (None: it ended without), what it reported, and its exit
        code; or at once the result of one that cannot be started.
        """
        try:
            child = self._start(argv, process.PIPE)
        except BlockingIOError:
            raise  # too many processes: nothing is wrong with this one
        except OSError as error:
            return _not_started(argv[0], error, emit)
        heartbeat = Heartbeat(self.spec.heartbeat.seconds, emit)
        translator = Translator(self.work)

        def on_line(stream: str, line: str) -> None:
            heartbeat.alive()
            for body in translator.feed(line, stream):
                emit(body)

        cause = follow(
            child,
            stdin=prompt.encode("utf-8", "replace"),
            masker=self.masker,
            on_line=on_line,
            check=LimitCheck(limits, self.stop, translator, heartbeat).check,
            grace=limits.grace_seconds,
        )
        return cause, translator, child.returncode

    def _start(self, argv: tuple[str, ...], stdin: int) -> process.Process[bytes]:
        return process.start(
            argv,
            cwd=self.work,
            env=opencode_config.environment(self.spec, self.work, self.environ),
            stdin=stdin,
            stdout=process.PIPE,
            stderr=process.PIPE,
            dies_with_us=True,
        )


def _not_started(program: str, error: OSError, emit: Emit) -> AgentResult:
    message = f"the agent {program} cannot be started: {error.strerror}"
    result = AgentResult(Outcome.FAILED, "agent_not_found", message)
    emit(WarningEvent(code=result.code, message=result.message, hint=result.hint))
    return result
