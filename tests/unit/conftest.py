"""What the tests of the agent's side begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.agent_fixtures import Heard, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def heard() -> Iterator[Heard]:
    listener = Heard()
    yield listener
    listener.close()


@pytest.fixture
def stage(tmp_path: Path, heard: Heard) -> Stage:
    return Stage(tmp_path, heard)
