"""A whole pod with the real OpenCode: runner and agent as two processes that share a work tree."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask
from sdlc_runner.config.settings import AgentSettings, Limits, VerifySettings
from support.agent_fixtures import SPEC
from support.harness import FEATURE, VALIDATOR, Harness
from support.kubernetes import local_pod
from support.model.server import KEY, MODEL, ModelServer, Rule, calls, says, shell, writes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.opencode, pytest.mark.slow]

OWN = "git config user.name A; git commit --quiet --all -m own; git push; git log --oneline; env"


def spec_of(harness: Harness) -> AttemptSpec:
    """Return a bundle of two tasks."""
    harness.tasks("## Phase 1: Setup\n\n- [ ] T001 [ASYNC] One\n- [ ] T002 [ASYNC] Two\n")
    return replace(
        SPEC,
        base=harness.git("rev-parse", "HEAD"),
        remote=str(harness.remote),
        limits=Limits(),
        agent=AgentSettings(model=MODEL),
        tasks=(AttemptTask("T001", "One", "T001 One"), AttemptTask("T002", "Two", "T002 Two")),
        verify=VerifySettings(commands=("ls; test -e one.txt",)),
    )


def play(pod: local_pod.Pod, role: str) -> None:
    """Run the pod to its end."""
    try:
        if role == "runner":
            pod.start("agent")
        assert pod.run(role) == 0, pod.claim
    finally:
        pod.stop()


@pytest.mark.parametrize("role", ["runner", "single"])
def test_tasks_become_verified_work(
    harness: Harness, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    spec = spec_of(harness)
    first = (writes("one.txt"), calls(shell(OWN)), lambda r: says(f"First: {r.results[-1]}"))
    second = (writes("two.txt"), says("Second."))
    rules = [Rule("Implement task T001 ", first), Rule("Implement task T002 ", second)]
    with ModelServer(rules) as model:
        pod = local_pod.Pod(
            tmp_path / "pod", spec.to_json(), model.environment(local_pod.environment())
        )
        pod.secret("git", "token", "token-of-the-test")
        pod.secret("model", "SOME_API_KEY", f"{KEY}-2")
        play(pod, role)
    events = pod.events(role)
    for event in events:
        VALIDATOR.validate(event)
    head, branch = pod.claim["head"], f"sdlc-runner/{FEATURE}/T001-1"
    assert head == harness.git("rev-parse", branch, cwd=harness.remote)
    changed = harness.git("diff", "--name-only", spec.base, head, cwd=harness.remote).splitlines()
    assert changed == ["one.txt", "two.txt"]
    assert [task["status"] for task in pod.claim["tasks"]] == ["succeeded", "succeeded"]
    said = next(event["text"] for event in events if event.get("text", "").startswith("First:"))
    assert "SOME_API_KEY=***" in said
    assert "token-of-the-test" not in said
    assert pod.errors(role) == ""
