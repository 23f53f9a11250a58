"""The copy in a repository fetches the packages that it needs, and no others."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from sdlc_runner import process

if TYPE_CHECKING:
    from support.harness import Harness

RUN = ".opencode/sdlc-runner/run.py"
BARE = (sys.executable, "-I", "-S", RUN)  # no packages, whatever this Python has


@pytest.fixture
def installed(harness: Harness) -> Harness:
    assert harness.run("install").code == 0
    harness.tasks("## Phase 1: Setup\n\n- [ ] T001 [ASYNC] Write `one.txt`\n")
    del harness.env["PYTHONPATH"]
    return harness


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_packages_for_a_cluster_are_fetched_once_and_said(installed: Harness) -> None:
    call = (*BARE, "status", "--backend", "kubernetes")
    env = {**installed.env, "KUBECONFIG": str(installed.folder / "absent")}
    first, second = (process.run(call, cwd=installed.checkout, env=env) for _ in range(2))
    assert "First use: installing kubernetes" in first.error_text
    assert "First use" not in second.error_text
    for done in (first, second):
        error = json.loads(done.text.splitlines()[-1])
        assert error["code"] == "no_cluster", done.text
        assert "not installed" not in error["message"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_settings_file_in_yaml_is_converted_by_the_command_that_its_error_names(
    installed: Harness,
) -> None:
    installed.write(".opencode/sdlc-runner.yaml", "max_parallel: 3\n")
    plan, migrate = (*BARE, "plan"), (*BARE, "config", "--migrate")
    refused = process.run(plan, cwd=installed.checkout, env=installed.env)
    assert refused.code == 2
    assert "config --migrate" in refused.text
    done = process.run(migrate, cwd=installed.checkout, env=installed.env)
    assert done.code == 0, done.text
    assert (installed.checkout / ".opencode/sdlc-runner.jsonc").exists()
    assert process.run(plan, cwd=installed.checkout, env=installed.env).code == 0


@pytest.mark.slow
def test_packages_that_cannot_be_fetched_are_said_in_one_sentence(installed: Harness) -> None:
    env = installed.env | {
        "PIP_INDEX_URL": "http://127.0.0.1:1/simple",
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
    }
    env |= {"SDLC_RUNNER_BACKEND": "kubernetes"}
    done = process.run((*BARE, "status"), cwd=installed.checkout, env=env)
    assert done.code == 1
    assert "error: The packages cannot be installed: " in done.error_text
    event = json.loads(done.text)
    assert event["code"] == "no_packages"
    assert "uv run" in event["hint"]
    assert "Traceback" not in done.error_text
