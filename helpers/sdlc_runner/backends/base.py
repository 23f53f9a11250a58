"""Where attempts run. A backend starts them, finds them again, and reads what they print.

It never says how an attempt ended: that is for ``outcome``, which asks the git remote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sdlc_runner.attempt.exit_state import BackendStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from socket import socket

    from sdlc_runner.attempt.spec import AttemptSpec
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
    """Where it is as long as it does not run yet, and ``waiting`` says why."""
    waiting: str = ""


class AgentServer(NamedTuple):
    """How a running attempt's own OpenCode server is reached, and the folder that it works in.

    ``reveal`` is the command by which people see the password.
    """

    password: str
    directory: str
    reveal: str
    connect: Callable[[], socket]


class TailUpdate(NamedTuple):
    """What a tail has that is new; ``over``: the attempt has ended and all of its log was read."""

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
    """What every backend can do."""

    @property
    def kind(self) -> str:
        """Its name: ``local``, ``kubernetes``."""

    @property
    def starts_at_once(self) -> int:
        """How many starts it may be asked for at the same time."""

    @property
    def where(self) -> str:
        """This very backend, as ``start`` refs name it."""

    def start(self, spec: AttemptSpec, *, renew: bool = False) -> tuple[AttemptStatus, bool]:
        """Start an attempt unless it lives or has ended here; whether it was started now.

        ``renew`` starts one again that ended before its agent began. May be called from threads.
        """

    def list_attempts(self, feature: str, remote: str) -> list[AttemptStatus]:
        """Return the attempts of a feature that this backend knows, alive or ended."""

    def refresh(self, status: AttemptStatus) -> AttemptStatus:
        """Look at an attempt again."""

    def moved(self, status: AttemptStatus) -> str:
        """Say what an attempt was made from that has changed since; empty: nothing we know of."""

    def tail(self, status: AttemptStatus) -> Tail:
        """Follow an attempt's log from its beginning."""

    def log(self, status: AttemptStatus) -> Iterator[bytes]:
        """Yield all that the log has by now, in pieces."""

    def newest(self, status: AttemptStatus) -> bytes:
        """Return the last lines of the log; the first of them may be cut."""

    def wait(self, seconds: float) -> None:
        """Wait until a tail may have something new, at most so long."""

    def agent_server(self, status: AttemptStatus) -> AgentServer:
        """Find the server of a running agent; raises ``unsupported_backend``, ``not_running``."""

    def cancel(self, status: AttemptStatus) -> None:
        """Ask it to end; its work goes to a checkpoint."""

    def remove(self, status: AttemptStatus) -> None:
        """Forget an ended attempt and all that it left here."""
