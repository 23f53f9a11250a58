"""The real OpenCode, and a rig in which it is the agent, as a user has it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import rig as rigs
from model_server import config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
INSTALLED = REPOSITORY / ".cache/opencode/opencode"


def _found() -> str:
    """Return the path of OpenCode; without one the test is skipped, or fails in CI."""
    named = os.environ.get("SDLC_RUNNER_TEST_OPENCODE") or shutil.which("opencode")
    program = named or (str(INSTALLED) if INSTALLED.exists() else None)
    if program is None:
        message = "no OpenCode: set SDLC_RUNNER_TEST_OPENCODE, or put opencode on PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return program


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``opencode`` in it, for PATH."""
    found = _found()
    folder = tmp_path_factory.mktemp("bin")
    (folder / "opencode").symlink_to(Path(found).resolve())
    return folder


@pytest.fixture
def programs(program: Path) -> Path:
    """Return the same folder, as tests know it that start OpenCode themselves."""
    return program


@pytest.fixture
def rig(tmp_path: Path, programs: Path) -> Iterator[rigs.Rig]:
    """A rig whose agent is OpenCode, in a repository that has ``.opencode`` files of its own."""
    folder = tmp_path / "rig"
    folder.mkdir()
    made = rigs.create(folder)
    del made.env["SDLC_RUNNER_AGENT_COMMAND"]
    made.env["PATH"] = f"{programs}:{made.env['PATH']}"
    made.write(
        ".opencode/agents/reviewer.md",
        "---\ndescription: Reviews.\nmode: subagent\n---\nReview.\n",
    )
    made.write(".opencode/commands/hello.md", "---\ndescription: Says hello.\n---\nHello.\n")
    made.write("old.py", "colour = 'red'\n")
    yield made
    made.kill_attempts()


@pytest.fixture
def use_model(rig: rigs.Rig) -> Callable[[str], None]:
    """Return what names a model's address in the user's own OpenCode configuration."""

    def use(url: str) -> None:
        file = Path(rig.env["XDG_CONFIG_HOME"], "opencode", "opencode.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        schema = {"$schema": "https://opencode.ai/config.json"}
        file.write_text(json.dumps({**schema, **config(url)}))

    return use
