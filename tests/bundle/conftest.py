"""A rig for repositories that the bundle goes into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import layouts
import rig as rigs

if TYPE_CHECKING:
    from pathlib import Path

    from rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A checkout and its remote."""
    return rigs.create(tmp_path)


@pytest.fixture
def kit(rig: Rig) -> Rig:
    """A checkout that the real spec-kit set up."""
    layouts.upstream(rig)
    rig.commit("Set up spec-kit")
    return rig


@pytest.fixture(params=layouts.FLAVOURS)
def flavoured(rig: Rig, request: pytest.FixtureRequest) -> tuple[Rig, str]:
    """A checkout of each flavour, and the name of the command that implements there."""
    make, typed = layouts.FLAVOURS[request.param]
    make(rig)
    rig.commit("Set up spec-kit")
    return rig, typed
