from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sdlc_runner.backends.kubernetes.api import quantity
from sdlc_runner.backends.kubernetes.errors import warnings_of
from sdlc_runner.doctor.permissions import quota_rooms

if TYPE_CHECKING:
    from collections.abc import Mapping

POD: Mapping[str, Any] = {
    "initContainers": [
        {"resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}}},
    ],
    "containers": [
        {"resources": {"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}},
        {},
    ],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", "0.5"),
        ("2", "2"),
        ("2.5", "2.5"),
        ("64Mi", str(64 << 20)),
        ("1k", "1000"),
        ("1e3", "1000"),
        ("2E", "2000000000000000000"),
        ("1Ei", str(1 << 60)),
        ("100n", "0.0000001"),
        ("nonsense", "0"),
        ("", "0"),
    ],
)
def test_quantities_are_read_as_kubernetes_writes_them(text: str, value: str) -> None:
    assert quantity(text) == Decimal(value)


def quota(**bounds: str) -> dict[str, Any]:
    pairs = {name.replace("_", "."): text.split(" of ") for name, text in bounds.items()}
    status = {
        "used": {name: pair[0] for name, pair in pairs.items()},
        "hard": {name: pair[1] for name, pair in pairs.items()},
    }
    return {"metadata": {"name": "q"}, "status": status}


def test_each_bound_leaves_room_for_so_many_attempts() -> None:
    found = quota_rooms(
        [
            quota(pods="3 of 10", requests_cpu="1 of 8", services="1 of 1"),
            quota(cpu="1 of 2", limits_memory="0 of 1Gi", requests_memory="0 of 2Gi"),
        ],
        POD,
    )
    assert [(str(each), each.attempts, each.ever) for each in found] == [
        ("pods 3 of 10", 7, 10),
        ("requests.cpu 1 of 8", 4, 5),
        ("cpu 1 of 2", 0, 1),
        ("limits.memory 0 of 1Gi", 0, 0),
        ("requests.memory 0 of 2Gi", 1, 1),
    ]


def test_a_quota_that_is_passed_leaves_nothing() -> None:
    assert [each.attempts for each in quota_rooms([quota(pods="5 of 3")], POD)] == [0]


def test_warnings_are_read_from_their_headers() -> None:
    headers = ['299 - "would violate \\"restricted\\""', '299 - "a", 299 - "b"', "nonsense"]
    assert warnings_of(headers) == ('would violate "restricted"', "a", "b")
