"""A rig for repositories that the bundle goes into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support import harness as rigs
from support.git import spec_kit_layouts

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A checkout and its remote."""
    return rigs.create(tmp_path)


@pytest.fixture
def kit(rig: Rig) -> Rig:
    """A checkout that the real spec-kit set up."""
    spec_kit_layouts.upstream(rig)
    rig.commit("Set up spec-kit")
    return rig


@pytest.fixture(params=spec_kit_layouts.FLAVOURS)
def flavoured(rig: Rig, request: pytest.FixtureRequest) -> tuple[Rig, str]:
    """A checkout of each flavour, and the name of the command that implements there."""
    make, typed = spec_kit_layouts.FLAVOURS[request.param]
    make(rig)
    rig.commit("Set up spec-kit")
    return rig, typed
