"""The agent's server misbehaves in its pod: each fault is an outcome, soon, and work is kept."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support.cluster import image_override
from support.cluster.attacks import META
from support.cluster.pod_template import Form, pod_template
from support.model.server import Call, Rule, Turn, calls, shell, writes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Manifest
    from support.harness import Event

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

LATE = '#!/bin/sh\nsleep 15\nshift\nexec "$@"'
GONE = "gone/model-1"
SETTINGS = {
    "$schema": "https://opencode.ai/config.json",
    "agent": {"build": {"permission": {"webfetch": "ask"}}},
    "provider": {
        "gone": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Gone",
            "options": {"baseURL": "http://127.0.0.1:9/v1", "apiKey": "none"},
            "models": {"model-1": {"tool_call": True}},
        }
    },
}
WORK = writes("work.txt", "work so far\n")
RULES = {
    "T001": (WORK, calls(shell("kill -9 $OPENCODE_PID; sleep 100"))),
    "T002": (WORK, calls(shell("kill -STOP $OPENCODE_PID; sleep 100"))),
    "T003": (WORK, Turn("and so on", finish=None)),
    "T004": (WORK, calls(Call("webfetch", {"url": "http://localhost/", "format": "text"}))),
    "T005": (WORK, Turn("done")),
}
VERDICTS = {
    "T001": ("failed", "agent_server_died"),
    "T002": ("idle", "agent_server_hung"),
    "T003": ("failed", "model_error"),
    "T004": ("failed", "permission_rejected"),
    "T005": ("succeeded", "verified"),
    "T006": ("rejected", "container_crashes"),
}
CALLS: Sequence[Sequence[str]] = (
    ("T001", "T002", "T003", "T004", "--set", "limits.idle_seconds=35"),
    ("T005", "--set", "kubernetes.pod_template=late"),
    ("T006", "--set", "kubernetes.pod_template=never", "--set", "limits.create_seconds=3"),
)


def with_agent(name: str, script: str = "") -> tuple[Manifest, Manifest]:
    """Return a template of that name whose agent starts a script, or nothing; and the script."""
    template = pod_template(Form.TWO)
    template["metadata"] = {"name": name}
    pod = template["template"]["spec"]
    image_override.put(pod, pod["initContainers"][0], name, starts=bool(script))
    return template, image_override.program(name, script)


def prepare_opencode(harness: ClusterHarness, *tasks: str) -> None:
    harness.write("opencode.json", json.dumps(SETTINGS))
    harness.tasks("".join(f"- [ ] {id_} [P] [ASYNC] Do {id_}\n" for id_ in tasks))
    harness.use_opencode()
    harness.template(Form.TWO)


def prepare(harness: ClusterHarness) -> None:
    prepare_opencode(harness, *VERDICTS)
    harness.namespace.kubectl.apply(*with_agent("late", LATE), *with_agent("never"))
    harness.model.rules(*(Rule(f"Implement task {id_} ", turns) for id_, turns in RULES.items()))


def test_every_fault_of_the_agents_server_is_an_outcome(harness: ClusterHarness) -> None:
    prepare(harness)
    with ThreadPoolExecutor() as pool:
        results = list(
            pool.map(lambda words: harness.run("run", *words, "--detail", "full"), CALLS)
        )
    events = [event for result in results for event in result.events]
    ends = {event["task"]: event for event in events if event["type"] == "outcome"}
    verdicts = {id_: (end["outcome"], end["code"]) for id_, end in sorted(ends.items())}
    assert verdicts == VERDICTS
    for id_ in ("T001", "T002", "T003", "T004"):
        checkpoint = f"{META}/{id_}/1/checkpoint"
        assert ends[id_]["checkpoint"] == checkpoint
        assert harness.remote_file("work.txt", checkpoint) == "work so far"
    assert harness.ticked() == {"T005"}
    assert harness.remote_file("work.txt") == "work so far"
    assert "tini" in ends["T006"]["message"]
    assert warnings(events, "T004", "permission_rejected") == [
        "rejected: webfetch http://localhost/"
    ]


def test_a_model_that_is_not_there_is_waited_for_and_reported(harness: ClusterHarness) -> None:
    prepare_opencode(harness, "T001")
    # Its host is not tried first, so that OpenCode tries it.
    limits = ("--set", "limits.idle_seconds=25", "--set", "limits.connect_seconds=0")
    result = harness.run("run", "--set", f"agent.model={GONE}", *limits, "--detail", "full")
    end = result.outcome("T001")
    assert (end["outcome"], end["code"]) == ("idle", "idle_limit")
    said = warnings(result.events, "T001", "model_retry")
    assert any("Unable to connect" in each for each in said)


def warnings(events: list[Event], id_: str, code: str) -> list[str]:
    return [
        event["message"]
        for event in events
        if event["type"] == "warning" and (event["task"], event["code"]) == (id_, code)
    ]
