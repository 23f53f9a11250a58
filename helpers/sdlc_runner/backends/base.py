"""Where attempts run. A backend starts them, finds them again, and reads what they print.

It does not decide how an attempt ended: ``verify`` does, which asks the git remote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sdlc_runner.attempt.spec import BackendStatus
from sdlc_runner.errors import Code, RunnerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from socket import socket

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.events.codec import AttemptKey
    from sdlc_runner.events.types import EventBody, PhaseName


@dataclass(frozen=True)
class AttemptStatus:
    """An attempt as its backend saw it at one moment: ``name`` is unique, ``place`` for people.

    ``since`` is when it was started there, in seconds of the epoch. ``id`` tells it from an earlier
    start of the same attempt, and ``template`` is a hash of what the backend made it from.
    """

    name: str
    place: str
    spec: AttemptSpec
    ending: BackendStatus = field(default_factory=BackendStatus)
    since: float | None = None
    id: str = ""
    template: str = ""
    phase: PhaseName | None = None
    """Where it is as long as it is not running yet; ``waiting`` says why."""
    waiting: str = ""


class AgentServer(NamedTuple):
    """How a running attempt's own OpenCode server is reached, and the folder that it works in.

    ``reveal`` is the command that shows the password.
    """

    password: str
    directory: str
    reveal: str
    connect: Callable[[], socket]


class TailUpdate(NamedTuple):
    """What is new of an attempt; ``over``: it has ended and all of its log was read."""

    log: bytes = b""
    notices: tuple[EventBody, ...] = ()
    over: bool = False


class Tail(Protocol):
    """The growing log of one attempt."""

    def poll_log(self) -> TailUpdate:
        """Return what is new, without waiting; a line may come twice, never changed."""

    def close(self) -> None:
        """Stop reading; the attempt goes on."""


class Backend(Protocol):
    """A place where attempts run. No caller asks which one it is."""

    @property
    def kind(self) -> str:
        """Its name: ``local``, ``kubernetes``."""

    @property
    def starts_at_once(self) -> int:
        """How many starts it may be asked for at the same time."""

    @property
    def runs_on_this_machine(self) -> bool:
        """Whether the repository's commands run here, which needs the user's consent."""

    @property
    def where(self) -> str:
        """This very machine or cluster, as ``start`` refs name it; stable, and names nothing."""

    def start(self, spec: AttemptSpec, *, renew: bool = False) -> tuple[AttemptStatus, bool]:
        """Start an attempt unless it is alive or has ended here; whether it was started now.

        ``renew`` restarts one that ended before its agent began. May be called from threads.
        """

    def list_attempts(self, feature: str, remote: str) -> list[AttemptStatus]:
        """Return the attempts of a feature that this backend knows, alive or ended."""

    def refresh(self, status: AttemptStatus) -> AttemptStatus:
        """Read the state of an attempt again."""

    def moved(self, status: AttemptStatus) -> str:
        """Return what has changed since an attempt was made from it; empty for nothing known."""

    def tail(self, status: AttemptStatus) -> Tail:
        """Follow an attempt's log from its beginning."""

    def log(self, status: AttemptStatus) -> Iterator[bytes]:
        """Yield all that the log has by now, in pieces."""

    def newest(self, status: AttemptStatus) -> bytes:
        """Return the last lines of the log; the first of them may be cut."""

    def wait(self, seconds: float) -> None:
        """Wait until a tail may have something new, for at most ``seconds``."""

    def agent_server(self, status: AttemptStatus) -> AgentServer:
        """Find the server of a running agent; raises ``unsupported_backend``, ``not_running``."""

    def cancel(self, status: AttemptStatus) -> None:
        """Ask it to end; its work is saved to a checkpoint."""

    def remove(self, status: AttemptStatus) -> None:
        """Remove an ended attempt and all that it left here; raises ``attempt_alive``."""


def still_running(key: AttemptKey) -> RunnerError:
    """Return the refusal to remove an attempt that is alive."""
    return RunnerError(
        Code.ATTEMPT_ALIVE,
        f"Attempt {key} is running.",
        f"Run `sdlc-runner cancel {key.task}` first.",
    )
