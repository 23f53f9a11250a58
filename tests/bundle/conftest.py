"""A rig for repositories that the bundle goes into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support import harness as harnesses
from support.git import spec_kit_layouts

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import Harness


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    """A checkout and its remote."""
    return harnesses.create(tmp_path)


@pytest.fixture
def kit(harness: Harness) -> Harness:
    """A checkout that the real spec-kit set up."""
    spec_kit_layouts.upstream(harness)
    harness.commit("Set up spec-kit")
    return harness


@pytest.fixture(params=spec_kit_layouts.FLAVOURS)
def flavoured(harness: Harness, request: pytest.FixtureRequest) -> tuple[Harness, str]:
    """A checkout of each flavour, and the name of the command that implements there."""
    make, typed = spec_kit_layouts.FLAVOURS[request.param]
    make(harness)
    harness.commit("Set up spec-kit")
    return harness, typed
