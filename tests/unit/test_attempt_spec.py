"""The attempt's specification: what is written is what is read."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace
from typing import Any

import pytest

from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask, load
from sdlc_runner.config.settings import (
    SETTINGS,
    AgentSettings,
    CheckpointSettings,
    HeartbeatSettings,
    Limits,
    Settings,
    VerifySettings,
    WorkerSettings,
)
from sdlc_runner.errors import Code, ExitCode, UsageError
from sdlc_runner.events.codec import AttemptKey

SPEC = AttemptSpec(
    key=AttemptKey("001-demo", "T001", 2),
    identity="0123abcd",
    tasks=(
        AttemptTask("T001", "First", "- [ ] T001 First\n  more", "US1", ("src/a.py", "b.md")),
        AttemptTask("T002", "Zweite — ✓", "- [ ] T002 Zweite — ✓"),
    ),
    remote="https://example.invalid/team/app.git",
    feature_dir="specs/001-demo",
    feature_branch="001-demo",
    base="a" * 40,
    branch="sdlc-runner/001-demo/T001-2",
)
FULL = replace(
    SPEC,
    from_checkpoint="refs/sdlc-runner/001-demo/T001/1/checkpoint",
    agent=AgentSettings(command=("agent", "--quiet", ""), model="provider/model"),
    limits=Limits(run_seconds=1.5, idle_seconds=0, tokens=9, cost=0.25, grace_seconds=1),
    verify=VerifySettings(commands=("make test",)),
)


@pytest.mark.parametrize("spec", [SPEC, FULL], ids=["defaults", "everything"])
def test_round_trip(spec: AttemptSpec) -> None:
    assert load(spec.to_json()) == spec


def test_defaults_are_left_out_so_that_an_older_worker_takes_it() -> None:
    settings = {each.name for each in fields(WorkerSettings)}
    needed = {each.name for each in fields(AttemptSpec) if each.default is MISSING}
    needed = (needed - settings) | {"limits"}
    assert set(json.loads(SPEC.to_json())) == needed
    assert set(json.loads(replace(SPEC, connect_seconds=5).to_json())) == {
        *needed,
        "connect_seconds",
    }


WIRE: dict[str, Any] = {
    "key": {"feature": "001-demo", "task": "T001", "number": 2},
    "identity": "0123abcd",
    "tasks": [{"id": "T001", "title": "t", "text": "x", "story": None, "files": []}],
    "remote": "r",
    "feature_dir": "d",
    "feature_branch": "f",
    "base": "b",
    "branch": "n",
    "limits": {
        "run_seconds": 7200.0,
        "idle_seconds": 900.0,
        "tokens": 0,
        "cost": 0.0,
        "grace_seconds": 10.0,
    },
}
OF_SETTINGS = {
    "agent_command": ["agent", "-x"],
    "model": "a/b",
    "checkpoint_seconds": 7.0,
    "heartbeat_seconds": 8.0,
    "verify_commands": ["make"],
    "verify_seconds": 9.0,
    "connect_seconds": 5.0,
    "clone_depth": 3,
}


def test_the_keys_of_the_json_are_a_lasting_format() -> None:
    assert json.loads(load(json.dumps(WIRE)).to_json()) == WIRE
    whole = WIRE | OF_SETTINGS
    spec = load(json.dumps(whole))
    assert json.loads(spec.to_json()) == whole
    assert (spec.agent, spec.verify) == (
        AgentSettings(("agent", "-x"), "a/b"),
        VerifySettings(("make",), 9),
    )
    assert (spec.checkpoint, spec.heartbeat) == (CheckpointSettings(7), HeartbeatSettings(8))


def test_what_an_older_worker_takes_for_a_key_that_is_left_out_never_changes() -> None:
    spec = load(json.dumps(WIRE))
    assert spec.agent == AgentSettings((), "")
    assert spec.limits == Limits(7200, 900, 0, 0, 10)
    assert spec.verify == VerifySettings((), 600)
    assert (spec.checkpoint.seconds, spec.heartbeat.seconds) == (300, 30)
    assert (spec.connect_seconds, spec.clone_depth) == (30, 1)


def test_the_settings_of_the_worker_are_those_of_the_user() -> None:
    values = {setting.key: setting.default for setting in SETTINGS}
    values |= {"agent.model": "a/b", "limits.tokens": 3, "verify.commands": ("make",)}
    given = replace(SPEC, **Settings.of(values).for_worker())
    assert given.agent == AgentSettings(model="a/b")
    assert given.limits == Limits(tokens=3)
    assert given.verify == VerifySettings(commands=("make",))
    assert set(json.loads(given.to_json())["limits"]) == set(WIRE["limits"])


def test_what_is_read_is_hashable_as_what_was_written() -> None:
    assert hash(load(FULL.to_json())) == hash(FULL)


def test_names_its_tasks_and_refs() -> None:
    assert SPEC.task_ids == ("T001", "T002")
    assert SPEC.refs.start == "refs/sdlc-runner/001-demo/T001/2/start"
    other = replace(SPEC, meta_refs="refs/heads/sdlc-runner-meta")
    assert other.refs.checkpoint == "refs/heads/sdlc-runner-meta/001-demo/T001/2/checkpoint"


def changed(**keys: object) -> str:
    return json.dumps({**json.loads(SPEC.to_json()), **keys})


def without(key: str) -> str:
    record = json.loads(SPEC.to_json())
    del record[key]
    return json.dumps(record)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut off"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param('"text"', id="a text"),
        pytest.param(without("key"), id="no key"),
        pytest.param(without("remote"), id="no remote"),
        pytest.param(without("limits"), id="no limits"),
        pytest.param(changed(stranger=1), id="unknown key"),
        pytest.param(changed(key={"feature": "001-demo"}), id="half a key"),
        pytest.param(changed(tasks=[{"id": "T001"}]), id="half a task"),
        pytest.param(changed(tasks=None), id="tasks null"),
        pytest.param(changed(limits={"forever": True}), id="unknown limit"),
        pytest.param(changed(verify_commands=None), id="commands null"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="specification cannot be read") as caught:
        load(text)
    assert (caught.value.code, caught.value.exit_code) == (Code.BAD_ARGUMENT, ExitCode.USAGE)
