"""The attempt's specification: what is written is what is read."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace

import pytest

from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask, Limits, load
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
    agent_command=("agent", "--quiet", ""),
    model="provider/model",
    limits=Limits(run_seconds=1.5, idle_seconds=0, tokens=9, cost=0.25, grace_seconds=1),
    verify_commands=("make test",),
)


@pytest.mark.parametrize("spec", [SPEC, FULL], ids=["defaults", "everything"])
def test_round_trip(spec: AttemptSpec) -> None:
    assert load(spec.to_json()) == spec


def test_what_is_as_by_default_is_not_told_so_that_an_older_wrapper_takes_it() -> None:
    needed = {each.name for each in fields(AttemptSpec) if each.default is MISSING}
    assert set(json.loads(SPEC.to_json())) == needed
    assert set(json.loads(replace(SPEC, connect_seconds=5).to_json())) == {
        *needed,
        "connect_seconds",
    }


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
