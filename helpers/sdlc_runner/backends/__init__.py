"""Where attempts run. A backend starts them, finds them again, and reads what they print.

It never says how an attempt ended: that is for ``outcome``, which asks the git remote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sdlc_runner.attempt import AttemptSpec
    from sdlc_runner.outcome import Ending


@dataclass(frozen=True)
class Sighting:
    """An attempt as its backend knows it: ``name`` is unique, ``place`` is for people."""

    name: str
    place: str
    spec: AttemptSpec


class Backend(Protocol):
    """What every backend can do."""

    @property
    def kind(self) -> str:
        """Its name: ``local``, …."""

    @property
    def where(self) -> str:
        """This very backend, as ``start`` refs name it."""

    def start(self, spec: AttemptSpec, *, renew: bool = False) -> tuple[Sighting, bool]:
        """Start an attempt unless it lives or has ended here; whether it was started now.

        ``renew`` starts one again that ended before its agent began.
        """

    def sightings(self, feature: str, remote: str) -> list[Sighting]:
        """Return the attempts of a feature that this backend knows, alive or ended."""

    def ending(self, sighting: Sighting) -> Ending:
        """Return whether it lives, and what is known of its end."""

    def is_alive(self, sighting: Sighting) -> bool:
        """Whether it still runs."""

    def read(self, sighting: Sighting, offset: int) -> bytes:
        """Return what the log has from ``offset`` (bytes) on; empty when there is no more yet."""

    def cancel(self, sighting: Sighting) -> None:
        """Ask it to end; its work goes to a checkpoint."""

    def remove(self, sighting: Sighting) -> None:
        """Forget an ended attempt and all that it left here."""
