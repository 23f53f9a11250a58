"""``unreachable_host``: what a network policy does not name is dropped, and nobody is told.

git would wait for minutes then, and OpenCode for ever. So whoever an attempt needs is tried
first, before the agent begins: the attempt can be started again as it is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.errors import Code, UnreachableError
from sdlc_runner.events.codec import clean
from sdlc_runner.worker.preflight import endpoints, probe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sdlc_runner.worker.preflight.endpoints import Host, Way

_QUICK_SECONDS = 1.0
_SHOWN = 200


class _Needed(NamedTuple):
    """Who is needed, the chart's value that lets pods reach it, and where its address stands."""

    who: str
    value: str
    address: str


_GIT = _Needed("git host", "networkPolicy.git", "`clone.url`")
_MODEL = _Needed("model endpoint", "networkPolicy.model", "the provider's `baseURL`")


@dataclass(frozen=True)
class Preflight:
    """How long hosts have to take a connection; 0: none is tried."""

    seconds: float = 0
    environ: Mapping[str, str] = field(default_factory=dict)

    def require_git(self, remote: str) -> None:
        """Raise ``UnreachableError`` if the remote's host takes no connection in time."""
        if self.seconds:
            self._require(endpoints.way(remote, self.environ), _GIT, self.seconds)

    def require_model(self, guess: Way | None, find: Callable[[], Way | None]) -> None:
        """Do the same for a model; ``find`` is slow and right, and asked if ``guess`` is no way."""
        if not self.seconds or guess is None:
            return
        began = time.monotonic()
        if probe.refusal(guess.first, min(_QUICK_SECONDS, self.seconds)):
            way = find()
            over = time.monotonic() - began if way == guess else 0
            self._require(way, _MODEL, max(_QUICK_SECONDS, self.seconds - over))

    def _require(self, way: Way | None, needed: _Needed, seconds: float) -> None:
        said = probe.refusal(way.first, seconds) if way else ""
        if way is None or not said:
            return
        text = f"{_told(way, needed)} did not connect in {self.seconds:g} s: {said}."
        raise UnreachableError(Code.UNREACHABLE_HOST, text, _hint(way, needed, said))


def _told(way: Way, needed: _Needed) -> str:
    if way.proxy is None:
        return f"The {needed.who} {_shown(way.host)}"
    return f"The proxy {_shown(way.proxy)} on the way to the {needed.who} {_shown(way.host)}"


def _hint(way: Way, needed: _Needed, said: str) -> str:
    value, address = needed.value, needed.address
    if way.proxy is not None:
        value, address = "networkPolicy.proxy", "`egressProxy.url`"
    if said == probe.UNRESOLVED:
        return f"Correct {address}, or name your DNS in the chart's value networkPolicy.dns."
    return f"Name its address and port in the chart's value {value}, or correct {address}."


def _shown(host: Host) -> str:
    return clean(str(host), _SHOWN)


NOWHERE = Preflight()
"""For attempts on a machine whose user sees for himself what it reaches."""
