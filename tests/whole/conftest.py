"""A new harness for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support import harness as harnesses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.harness import Harness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    """A checkout on a feature branch and its bare remote; what still runs at the end is killed."""
    made = harnesses.create(tmp_path)
    yield made
    made.kill_attempts()
