"""The real OpenCode, and a rig in which it is the agent, as a user has it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import harness as harnesses
from support.agent_fixtures import Heard
from support.model.server import ModelServer, config
from support.opencode import program as opencode_program
from support.opencode.real_server import Real, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.kubernetes import local_pod


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``opencode`` in it, for PATH."""
    found = opencode_program.find() or opencode_program.skip()
    folder = tmp_path_factory.mktemp("bin")
    (folder / "opencode").symlink_to(found)
    return folder


@pytest.fixture
def programs(program: Path) -> Path:
    """Return the same folder, as tests know it that start OpenCode themselves."""
    return program


@pytest.fixture
def harness(tmp_path: Path, programs: Path) -> Iterator[harnesses.Harness]:
    """A rig whose agent is OpenCode, in a repository that has ``.opencode`` files of its own."""
    folder = tmp_path / "rig"
    folder.mkdir()
    made = harnesses.create(folder)
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
def use_model(harness: harnesses.Harness) -> Callable[[str], None]:
    """Return what names a model's address in the user's own OpenCode configuration."""

    def use(url: str) -> None:
        file = Path(harness.env["XDG_CONFIG_HOME"], "opencode", "opencode.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        schema = {"$schema": "https://opencode.ai/config.json"}
        file.write_text(json.dumps({**schema, **config(url)}))

    return use


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, program: Path
) -> Iterator[tuple[local_pod.Pod, ModelServer]]:
    """A pod's agent container, and the model behind it, for all tests of a module."""
    with ModelServer([]) as model, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{program}:{os.environ['PATH']}")
        pod = started(tmp_path_factory.mktemp("pod"), model)
        yield pod, model
        pod.stop()


@pytest.fixture
def real(shared: tuple[local_pod.Pod, ModelServer], tmp_path: Path) -> Iterator[Real]:
    """The shared server in a folder of this test's own."""
    heard = Heard()
    yield Real(*shared, tmp_path, heard)
    heard.close()


@pytest.fixture
def own(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    """A server of this test's own, to be ill-treated."""
    monkeypatch.setenv("PATH", f"{program}:{os.environ['PATH']}")
    heard = Heard()
    with ModelServer([]) as model:
        pod = started(tmp_path, model)
        yield Real(pod, model, pod.workspace, heard)
        pod.stop()
    heard.close()
