"""The table of outcomes, row by row, with literals. Also: an earlier row wins."""

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
# The row's code, what the remote shows, what the backend says.
EVICTED = TerminationCause(Outcome.INTERRUPTED, "caused", "It was evicted.")
OOM = replace(EVICTED, also=("agent_failed",))
CASES: list[tuple[str, Evidence, BackendStatus]] = [
    ("history_rewritten", pushed(descends=False), BackendStatus()),
    (
        "history_rewritten",
        pushed(descends=False, result=SUCCESS),
        BackendStatus(known=True, exit_code=0),
    ),
    (
        "history_rewritten",
        pushed(descends=False, branch_head=OTHER, result=SUCCESS),
        BackendStatus(),
    ),
    ("head_mismatch", pushed(branch_head=OTHER, result=SUCCESS), BackendStatus()),
    ("head_mismatch", pushed(branch_head=OTHER), replace(CLAIM, claim=SUCCESS)),
    (
        "head_mismatch",
        pushed(commit(Task="T009"), branch_head=OTHER, result=SUCCESS),
        BackendStatus(),
    ),
    ("head_mismatch", pushed(result={**SUCCESS, "head": 5}), BackendStatus()),
    ("foreign_commits", pushed(commit(Task="T009")), BackendStatus()),
    ("foreign_commits", pushed(commit(Feature="002-x")), BackendStatus()),
    ("foreign_commits", pushed(commit(Attempt="2")), BackendStatus()),
    ("foreign_commits", pushed(commit(), WorkCommit(OTHER, {}), result=SUCCESS), BackendStatus()),
    ("foreign_commits", pushed(commits=()), BackendStatus()),
    ("verified", pushed(result=SUCCESS), BackendStatus()),
    ("verified", pushed(), BackendStatus(known=True, claim=SUCCESS)),
    ("verified", pushed(result=result("push_failed", head=HEAD)), CLAIM),
    (
        "verified",
        pushed(result=result("interrupted", head=HEAD)),
        BackendStatus(cancelled=True, exit_code=143),
    ),
    (
        "verified",
        pushed(),
        replace(CLAIM, claim=result("rejected", code="already_started", head=BASE)),
    ),
    ("verified_without_result", pushed(), BackendStatus()),
    ("verified_without_result", pushed(), BackendStatus(known=True, cancelled=True)),
    ("verified_without_result", pushed(), BackendStatus(alive=True)),
    ("no_change", replace(BEGUN, result=result("no_change", head=BASE)), BackendStatus()),
    (
        "no_change",
        replace(BEGUN, result=result("no_change")),
        BackendStatus(alive=True, cancelled=True),
    ),
    ("no_evidence", replace(BEGUN, result=result("no_change", evidence=[])), BackendStatus()),
    (
        "no_evidence",
        replace(BEGUN, result=result("no_change", evidence="all well")),
        BackendStatus(),
    ),
    (
        "no_evidence",
        replace(BEGUN, result=result("no_change", evidence=[{"task": "T002"}])),
        BackendStatus(),
    ),
    ("no_evidence", replace(BEGUN, result=result("no_change", base=OTHER)), BackendStatus()),
    ("no_evidence", BEGUN, BackendStatus(known=True, exit_code=0, claim=result("no_change"))),
    ("nothing_pushed", replace(BEGUN, result=SUCCESS), BackendStatus(known=True, exit_code=0)),
    ("nothing_pushed", BEGUN, BackendStatus(cancelled=True, claim=SUCCESS)),
    (
        "nothing_pushed",
        pushed(commit(**{"Agent-Status": "failed"}), result=SUCCESS),
        BackendStatus(),
    ),
    ("cancelled", BEGUN, BackendStatus(known=True, cancelled=True)),
    (
        "cancelled",
        replace(BEGUN, result=result("interrupted")),
        BackendStatus(cancelled=True, exit_code=0),
    ),
    ("cancelled", NOTHING, BackendStatus(known=True, cancelled=True)),
    ("already_started", NOTHING, replace(CLAIM, claim=result("rejected", code="already_started"))),
    ("caused", BEGUN, BackendStatus(known=True, cause=EVICTED)),
    ("caused", NOTHING, BackendStatus(known=True, exit_code=0, cause=EVICTED)),
    (
        "caused",
        replace(BEGUN, result=result("interrupted")),
        BackendStatus(known=True, cause=EVICTED),
    ),
    ("caused", BEGUN, replace(CLAIM, claim=result("failed", code="agent_failed"), cause=OOM)),
    ("claimed", BEGUN, replace(CLAIM, claim=result("failed", code="failed_code"), cause=OOM)),
    ("claimed", BEGUN, replace(CLAIM, claim=result("push_failed"), cause=EVICTED)),
    (
        "claimed",
        replace(BEGUN, result=result("interrupted")),
        BackendStatus(alive=True, cause=EVICTED),
    ),
    ("claimed", replace(BEGUN, result=result("failed")), BackendStatus(known=True, exit_code=0)),
    ("claimed", replace(BEGUN, result=result("timed_out")), BackendStatus(cancelled=True)),
    (
        "claimed",
        replace(BEGUN, result=result("interrupted")),
        BackendStatus(cancelled=True, alive=True),
    ),
    ("claimed", BEGUN, replace(CLAIM, claim=result("push_failed"))),
    ("claimed", NOTHING, replace(CLAIM, claim=result("rejected"))),
    ("still_running", BEGUN, BackendStatus(known=True, alive=True)),
    ("still_running", NOTHING, BackendStatus(known=True, alive=True, cancelled=True)),
    ("still_running", BEGUN, BackendStatus(alive=True, exit_code=0, claim={"status": "splendid"})),
    ("still_running", BEGUN, BackendStatus(alive=True, cause=EVICTED)),
    ("nothing_pushed, exit code 0", BEGUN, BackendStatus(known=True, exit_code=0)),
    (
        "nothing_pushed, exit code 0",
        NOTHING,
        BackendStatus(exit_code=0, claim={"status": ["succeeded"]}),
    ),
    ("ended_before_start", NOTHING, BackendStatus(known=True)),
    ("ended_before_start", NOTHING, BackendStatus()),
    ("killed", BEGUN, BackendStatus(known=True)),
    ("killed", BEGUN, BackendStatus(known=True, exit_code=143)),
    ("no_result", BEGUN, BackendStatus(elsewhere=True)),
    ("no_trace", BEGUN, BackendStatus()),
    (
        "no_trace",
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
# A second row has the code of an earlier one: an agent that ended well and pushed nothing.
NAMES = [code for code, _ in CODES]
NAMES[NAMES.index("still_running") + 1] += ", exit code 0"
ROWS = dict(zip(NAMES, TABLE, strict=True))


def fixed(evidence: Evidence, ending: BackendStatus) -> tuple[Evidence, BackendStatus]:
    """Put ``code`` where a task's record has it."""
    claim = ending.claim
    if "code" in claim:
        records = [{**item, "code": claim["code"]} for item in claim["tasks"]]
        ending = replace(ending, claim={**claim, "tasks": records})
    return evidence, ending


@pytest.mark.parametrize(("row", "evidence", "ending"), CASES)
def test_row(row: str, evidence: Evidence, ending: BackendStatus) -> None:
    verdict = decide("T001", *fixed(evidence, ending))
    expected: Row = ROWS[row]
    if expected.code != "claimed":
        assert (verdict.code, verdict.outcome) == (expected.code, expected.outcome)
        assert verdict.message.startswith(expected.message or "It was evicted.")
        return
    claim = evidence.result or ending.claim
    assert verdict.outcome is Outcome(claim["status"])
    assert verdict.code == f"{claim['status']}_code"
    assert verdict.message == "Words."


def test_every_row_has_a_case_and_its_name_is_stable() -> None:
    assert {row for row, _, _ in CASES} == set(ROWS)
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
        verdict = decide("T001", evidence, BackendStatus(known=True, claim=hostile))
        assert isinstance(verdict.message, str)
        assert isinstance(verdict.hint, str)
