"""How many more attempts a namespace's quotas leave room for. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SUFFIXES: Mapping[str, Decimal | int] = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_COUNTED = frozenset({"pods", "count/pods", "count/jobs.batch"})


class Room(NamedTuple):
    """What is left of one bound; ``attempts``: how many more fit, ``ever``: into all of it."""

    quota: str
    resource: str
    used: str
    hard: str
    attempts: int
    ever: int

    def __str__(self) -> str:
        return f"{self.resource} {self.used} of {self.hard}"


def quantity(text: object) -> Decimal:
    """Read a quantity of Kubernetes, such as ``500m`` or ``2Gi``; 0 if it is none."""
    found = str(text)
    for size in (2, 1):
        unit = _SUFFIXES.get(found[-size:]) if len(found) > size else None
        if unit is not None:
            return quantity(found[:-size]) * unit
    try:
        return Decimal(found)
    except InvalidOperation:
        return Decimal(0)


def rooms(quotas: Iterable[Mapping[str, Any]], pod: Mapping[str, Any]) -> Iterator[Room]:
    """Yield every bound that an attempt's pod (its spec) counts against."""
    for quota in quotas:
        status = quota.get("status") or {}
        for resource, hard in (status.get("hard") or {}).items():
            need = _need(resource, pod)
            if need:
                used = (status.get("used") or {}).get(resource, "0")
                left = max(quantity(hard) - quantity(used), Decimal(0))
                name = str(quota["metadata"]["name"])
                fits = int(left // need), int(quantity(hard) // need)
                yield Room(name, resource, str(used), str(hard), *fits)


def _need(resource: str, pod: Mapping[str, Any]) -> Decimal:
    if resource in _COUNTED:
        return Decimal(1)
    side, dot, name = resource.partition(".")
    if not dot:
        side, name = "requests", resource  # "cpu" is short for "requests.cpu"
    containers = [*(pod.get("initContainers") or []), *pod["containers"]]
    return sum((_of(container, side, name) for container in containers), Decimal(0))


def _of(container: Mapping[str, Any], side: str, name: str) -> Decimal:
    given = container.get("resources") or {}
    found = (given.get(side) or {}).get(name)
    if found is None and side == "requests":
        found = (given.get("limits") or {}).get(name)  # what Kubernetes takes then
    return quantity(found) if found is not None else Decimal(0)
