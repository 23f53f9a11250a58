from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sdlc_runner.worker import pod

TEXT = st.text(max_size=600)
FIELDS = ("status", "code", "message", "base", "head", "branch")
TASK = st.dictionaries(st.sampled_from(["task", "status", "code", "commit", "hint"]), TEXT)
RESULT = st.builds(
    lambda fields, tasks: {**fields, "tasks": tasks},
    st.dictionaries(st.sampled_from(FIELDS), TEXT | st.none()),
    st.lists(TASK, max_size=8),
)


@given(st.integers(0, 2**53), RESULT)
def test_a_claim_is_json_and_fits(seq: int, result: dict[str, Any]) -> None:
    text = pod.text(seq, result)
    assert len(text.encode()) <= pod.LIMIT
    assert json.loads(text)["seq"] == seq


def test_the_widest_texts_fit() -> None:
    result = dict.fromkeys(FIELDS, "\U0001f600" * 5000)
    told = json.loads(pod.text(2**53, result))
    assert set(told) == {"seq", *FIELDS, "tasks"}


def test_too_many_tasks_are_left_out_and_the_rest_is_kept() -> None:
    tasks = [{"task": f"T{n:03}", "status": "failed", "commit": "0" * 40} for n in range(99)]
    told = json.loads(pod.text(7, {"status": "failed", "tasks": tasks}))
    assert told == {"seq": 7, "status": "failed"}


def test_tasks_are_reported_in_short() -> None:
    task = {"task": "T001", "status": "failed", "code": "x", "message": "y", "hint": "z"}
    told = json.loads(pod.text(1, {"tasks": [task], "evidence": [{"output": "long"}]}))
    kept = {"task": "T001", "status": "failed", "code": "x", "hint": "z"}
    assert told == {"seq": 1, "tasks": [kept]}
