"""The table of outcomes, row by row, with literals; and that an earlier row wins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sdlc_runner.attempt.naming import AttemptRefs
from sdlc_runner.attempt.spec import BackendStatus, TerminationCause
from sdlc_runner.events.codec import AttemptKey
from sdlc_runner.events.types import Outcome
from sdlc_runner.verify.evidence import Evidence, Start, WorkCommit
from sdlc_runner.verify.verdict import TABLE, Row, decide

BASE, HEAD, OTHER = "a" * 40, "b" * 40, "c" * 40
KEY = AttemptKey("001-demo", "T001", 1)
START = Start(KEY, ("T001", "T002"), BASE, "sdlc-runner/001-demo/T001-1", "local", "here", "0")
NOTHING = Evidence(AttemptRefs.of(KEY))
BEGUN = replace(NOTHING, start=START)


def commit(task: str = "T001", **trailers: str) -> WorkCommit:
    named = {"Feature": "001-demo", "Task": task, "Attempt": "1", "Agent-Status": "succeeded"}
    return WorkCommit(HEAD, {**named, **trailers})


def result(status: str, task: str = "T001", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    shown = [{"task": task, "message": "it is there already"}]
    record = {"task": task, "status": status, "code": f"{status}_code", "message": "Words."}
    return {"status": status, "base": BASE, "evidence": shown, "tasks": [record], **fields}


def pushed(*commits: WorkCommit, **fields: Any) -> Evidence:  # noqa: ANN401
    changed = {"branch_head": HEAD, "descends": True, "commits": commits or (commit(),)}
    return replace(BEGUN, **{**changed, **fields})


CLAIM = BackendStatus(known=True, exit_code=1)
SUCCESS = result("succeeded", head=HEAD)
# The index of the row, what the remote shows, what the backend says.
EVICTED = TerminationCause(Outcome.INTERRUPTED, "caused", "It was evicted.")
OOM = replace(EVICTED, also=("agent_failed",))
CASES: list[tuple[int, Evidence, BackendStatus]] = [
    (0, pushed(descends=False), BackendStatus()),
    (0, pushed(descends=False, result=SUCCESS), BackendStatus(known=True, exit_code=0)),
    (0, pushed(descends=False, branch_head=OTHER, result=SUCCESS), BackendStatus()),
    (1, pushed(branch_head=OTHER, result=SUCCESS), BackendStatus()),
    (1, pushed(branch_head=OTHER), replace(CLAIM, claim=SUCCESS)),
    (1, pushed(commit(Task="T009"), branch_head=OTHER, result=SUCCESS), BackendStatus()),
    (1, pushed(result={**SUCCESS, "head": 5}), BackendStatus()),
    (2, pushed(commit(Task="T009")), BackendStatus()),
    (2, pushed(commit(Feature="002-x")), BackendStatus()),
    (2, pushed(commit(Attempt="2")), BackendStatus()),
    (2, pushed(commit(), WorkCommit(OTHER, {}), result=SUCCESS), BackendStatus()),
    (2, pushed(commits=()), BackendStatus()),
    (3, pushed(result=SUCCESS), BackendStatus()),
    (3, pushed(), BackendStatus(known=True, claim=SUCCESS)),
    (3, pushed(result=result("push_failed", head=HEAD)), CLAIM),
    (
        3,
        pushed(result=result("interrupted", head=HEAD)),
        BackendStatus(cancelled=True, exit_code=143),
    ),
    (3, pushed(), replace(CLAIM, claim=result("rejected", code="already_started", head=BASE))),
    (4, pushed(), BackendStatus()),
    (4, pushed(), BackendStatus(known=True, cancelled=True)),
    (4, pushed(), BackendStatus(alive=True)),
    (5, replace(BEGUN, result=result("no_change", head=BASE)), BackendStatus()),
    (5, replace(BEGUN, result=result("no_change")), BackendStatus(alive=True, cancelled=True)),
    (6, replace(BEGUN, result=result("no_change", evidence=[])), BackendStatus()),
    (6, replace(BEGUN, result=result("no_change", evidence="all well")), BackendStatus()),
    (6, replace(BEGUN, result=result("no_change", evidence=[{"task": "T002"}])), BackendStatus()),
    (6, replace(BEGUN, result=result("no_change", base=OTHER)), BackendStatus()),
    (6, BEGUN, BackendStatus(known=True, exit_code=0, claim=result("no_change"))),
    (7, replace(BEGUN, result=SUCCESS), BackendStatus(known=True, exit_code=0)),
    (7, BEGUN, BackendStatus(cancelled=True, claim=SUCCESS)),
    (7, pushed(commit(**{"Agent-Status": "failed"}), result=SUCCESS), BackendStatus()),
    (8, BEGUN, BackendStatus(known=True, cancelled=True)),
    (8, replace(BEGUN, result=result("interrupted")), BackendStatus(cancelled=True, exit_code=0)),
    (8, NOTHING, BackendStatus(known=True, cancelled=True)),
    (9, NOTHING, replace(CLAIM, claim=result("rejected", code="already_started"))),
    (10, BEGUN, BackendStatus(known=True, cause=EVICTED)),
    (10, NOTHING, BackendStatus(known=True, exit_code=0, cause=EVICTED)),
    (10, replace(BEGUN, result=result("interrupted")), BackendStatus(known=True, cause=EVICTED)),
    (10, BEGUN, replace(CLAIM, claim=result("failed", code="agent_failed"), cause=OOM)),
    (11, BEGUN, replace(CLAIM, claim=result("failed", code="failed_code"), cause=OOM)),
    (11, BEGUN, replace(CLAIM, claim=result("push_failed"), cause=EVICTED)),
    (11, replace(BEGUN, result=result("interrupted")), BackendStatus(alive=True, cause=EVICTED)),
    (11, replace(BEGUN, result=result("failed")), BackendStatus(known=True, exit_code=0)),
    (11, replace(BEGUN, result=result("timed_out")), BackendStatus(cancelled=True)),
    (11, replace(BEGUN, result=result("interrupted")), BackendStatus(cancelled=True, alive=True)),
    (11, BEGUN, replace(CLAIM, claim=result("push_failed"))),
    (11, NOTHING, replace(CLAIM, claim=result("rejected"))),
    (12, BEGUN, BackendStatus(known=True, alive=True)),
    (12, NOTHING, BackendStatus(known=True, alive=True, cancelled=True)),
    (12, BEGUN, BackendStatus(alive=True, exit_code=0, claim={"status": "splendid"})),
    (12, BEGUN, BackendStatus(alive=True, cause=EVICTED)),
    (13, BEGUN, BackendStatus(known=True, exit_code=0)),
    (13, NOTHING, BackendStatus(exit_code=0, claim={"status": ["succeeded"]})),
    (14, NOTHING, BackendStatus(known=True)),
    (14, NOTHING, BackendStatus()),
    (15, BEGUN, BackendStatus(known=True)),
    (15, BEGUN, BackendStatus(known=True, exit_code=143)),
    (16, BEGUN, BackendStatus(elsewhere=True)),
    (17, BEGUN, BackendStatus()),
    (
        17,
        replace(BEGUN, result={"tasks": [{"task": "T002", "status": "succeeded"}]}),
        BackendStatus(),
    ),
]
CODES = [
    ("history_rewritten", "unverified"),
    ("head_mismatch", "unverified"),
    ("foreign_commits", "unverified"),
    ("verified", "succeeded"),
    ("verified_without_result", "succeeded"),
    ("no_change", "no_change"),
    ("no_evidence", "unverified"),
    ("nothing_pushed", "unverified"),
    ("cancelled", "cancelled"),
    ("already_started", "rejected"),
    ("caused", "interrupted"),
    ("claimed", "failed"),
    ("still_running", "unverified"),
    ("nothing_pushed", "unverified"),
    ("ended_before_start", "interrupted"),
    ("killed", "interrupted"),
    ("no_result", "unverified"),
    ("no_trace", "lost"),
]


def fixed(evidence: Evidence, ending: BackendStatus) -> tuple[Evidence, BackendStatus]:
    """Put ``code`` where a task's record has it."""
    claim = ending.claim
    if "code" in claim:
        records = [{**item, "code": claim["code"]} for item in claim["tasks"]]
        ending = replace(ending, claim={**claim, "tasks": records})
    return evidence, ending


@pytest.mark.parametrize(("row", "evidence", "ending"), CASES)
def test_row(row: int, evidence: Evidence, ending: BackendStatus) -> None:
    judged = decide("T001", *fixed(evidence, ending))
    expected: Row = TABLE[row]
    if expected.code != "claimed":
        assert (judged.code, judged.outcome) == (expected.code, expected.outcome)
        assert judged.message.startswith(expected.message or "It was evicted.")
        return
    claim = evidence.result or ending.claim
    assert judged.outcome is Outcome(claim["status"])
    assert judged.code == f"{claim['status']}_code"
    assert judged.message == "Words."


def test_every_row_has_a_case_and_its_name_is_stable() -> None:
    assert {row for row, _, _ in CASES} == set(range(len(TABLE)))
    assert [(row.code, row.outcome.value) for row in TABLE] == CODES


def test_only_the_remote_makes_success() -> None:
    good = {Outcome.SUCCEEDED, Outcome.NO_CHANGE}
    for evidence in (NOTHING, BEGUN, replace(BEGUN, branch_head=HEAD, descends=True)):
        for status in Outcome:
            claim = result(status.value, head=HEAD)
            for alive in (True, False):
                ending = BackendStatus(known=True, alive=alive, exit_code=0, claim=claim)
                assert decide("T001", evidence, ending).outcome not in good


def test_each_task_of_a_bundle_has_its_own_end() -> None:
    both = result("failed", head=HEAD)
    both["tasks"] = [
        {"task": "T001", "status": "succeeded"},
        {"task": "T002", "status": "failed", "code": "agent_failed", "message": "Exit code 1."},
    ]
    evidence = pushed(commit("T001"), result=both, checkpoint=OTHER)
    assert decide("T001", evidence, CLAIM).outcome is Outcome.SUCCEEDED
    second = decide("T002", evidence, CLAIM)
    assert (second.outcome, second.code) == (Outcome.FAILED, "agent_failed")
    assert second.message == "Exit code 1."
    assert "retry T002 --from-checkpoint" in second.hint


def test_an_unchanged_task_beside_a_changed_one() -> None:
    both = result("succeeded", "T002", head=HEAD)
    both["tasks"] = [
        {"task": "T001", "status": "succeeded"},
        {"task": "T002", "status": "no_change"},
    ]
    evidence = pushed(commit("T001"), result=both)
    assert decide("T002", evidence, BackendStatus()).outcome is Outcome.NO_CHANGE
    unsaid = pushed(commit("T001"), result={**both, "evidence": [{"task": "T001"}]})
    assert decide("T002", unsaid, BackendStatus()).code == "no_evidence"


@pytest.mark.parametrize(("checkpoint", "words"), [(OTHER, "--from-checkpoint"), (None, "logs")])
def test_the_hint_names_a_checkpoint_only_if_there_is_one(
    checkpoint: str | None, words: str
) -> None:
    for ending in (BackendStatus(known=True), BackendStatus(known=True, cancelled=True)):
        hint = decide("T001", replace(BEGUN, checkpoint=checkpoint), ending).hint
        assert words in hint
        assert "T001" in hint
        assert ("--from-checkpoint" in hint) == bool(checkpoint)


def test_a_claims_own_hint_comes_first() -> None:
    claim = result("failed")
    claim["tasks"][0]["hint"] = "raise limits.tokens."
    hint = decide("T001", replace(BEGUN, result=claim), BackendStatus()).hint
    assert hint.startswith("raise limits.tokens. `sdlc-runner logs T001`")


@pytest.mark.parametrize(
    "hostile",
    [
        {"status": {}, "tasks": "T001", "head": None},
        {"status": "failed", "tasks": [None, 5, {"task": "T001"}], "code": {"a": 1}},
        {"status": "failed", "tasks": [{"task": "T001", "status": "failed", "hint": 7}]},
        {"status": "no_change", "evidence": {"task": "T001"}, "base": BASE},
        {"status": "failed", "message": "{task} {0} {", "code": "%s"},
    ],
)
def test_a_hostile_result_raises_nothing(hostile: dict[str, Any]) -> None:
    for evidence in (replace(BEGUN, result=hostile), pushed(result=hostile)):
        judged = decide("T001", evidence, BackendStatus(known=True, claim=hostile))
        assert isinstance(judged.message, str)
        assert isinstance(judged.hint, str)
