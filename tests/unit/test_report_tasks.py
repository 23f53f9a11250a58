"""What tasks have come to, from literal plans, attempts and merges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.events.types import Outcome
from sdlc_runner.report import collect as report_tasks
from sdlc_runner.report.collect import Merges, Recalled, Track
from sdlc_runner.report.model import ProblemReport, Span, TaskReport, UsageReport
from sdlc_runner.verify.evidence import WorkCommit
from sdlc_runner.verify.verdict import Verdict
from support import plans
from support.report_records import attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_MERGES = Merges({}, {}, {})
GOOD, BAD = Outcome.SUCCEEDED, Outcome.FAILED


def recalled(
    outcome: Outcome | str,
    number: int = 1,
    tasks: tuple[str, ...] = ("T001",),
    head: str | None = None,
) -> Recalled:
    ended = Outcome(outcome) if outcome != "running" else None
    verdicts = {
        task: Verdict(task, ended or Outcome.UNVERIFIED, "code", "What happened.", "Do this.")
        for task in tasks
    }
    return Recalled(
        attempt(
            tasks[0],
            name=f"{tasks[0]}-{number}",
            tasks=tasks,
            outcome=ended.value if ended else "running",
        ),
        number,
        Track(
            0,
            9,
            tuple(Span("working", task, 0, 3) for task in tasks),
            {tasks[0]: UsageReport(5, 1)},
        ),
        verdicts,
        head,
        tuple(WorkCommit(f"commit-{task}-{number}", {"Task": task}) for task in tasks),
        ("said",),
    )


def told(
    text: str,
    attempts: Sequence[Recalled] = (),
    merges: Merges = NO_MERGES,
    failed: frozenset[str] = plans.NONE,
) -> dict[str, TaskReport]:
    plan = plans.make(text, failed=failed)
    return {task.id: task for task in report_tasks.tell(plan, attempts, merges)}


OPEN, TICKED = "- [ ] T001 [ASYNC] Write it\n", "- [x] T001 [ASYNC] Write it\n"


def test_merged_work_names_the_merge() -> None:
    merges = Merges({"head": "merge"}, {"T001": "another"}, {})
    task = told(TICKED, [recalled(GOOD, head="head")], merges)["T001"]
    assert (task.state, task.is_done, task.merged) == ("succeeded", True, "merge")
    assert task.trouble is None


def test_work_whose_attempt_was_cleaned_up_is_known_by_its_merge() -> None:
    task = told(TICKED, [], Merges({}, {"T001": "merge"}, {}))["T001"]
    assert (task.state, task.merged, task.attempts) == ("done", "merge", ())


def test_verified_work_waits_for_its_merge() -> None:
    task = told(OPEN, [recalled(GOOD, head="head")])["T001"]
    assert (task.state, task.is_done, task.merged) == ("not merged", False, "")
    assert task.trouble == ProblemReport("What happened.", "`sdlc-runner merge`")


def test_a_conflict_is_reported_with_its_remedy() -> None:
    trouble = ProblemReport("Conflict in a.txt.", "Merge it.")
    task = told(OPEN, [recalled(GOOD)], Merges({}, {}, {"T001": trouble}))["T001"]
    assert (task.state, task.trouble) == ("conflict", trouble)


def test_a_failure_has_the_last_words_and_the_remedy() -> None:
    task = told(OPEN, [recalled(BAD)], failed=frozenset({"T001"}))["T001"]
    assert (task.state, task.trouble) == (
        "failed",
        ProblemReport("What happened.", "Do this.", ("said",)),
    )


def test_the_newest_attempt_decides_and_all_are_counted() -> None:
    task = told(TICKED, [recalled(BAD), recalled(GOOD, 2)])["T001"]
    assert task.state == "succeeded"
    assert task.attempts == ("T001-1", "T001-2")
    assert (task.seconds, task.usage) == (6, UsageReport(10, 2))
    assert task.commits == ("commit-T001-1", "commit-T001-2")
    again = told(OPEN, [recalled(GOOD, 10), recalled(BAD, 9)])["T001"]
    assert again.state == "not merged"


def test_what_was_finished_by_hand_after_a_failure_is_done() -> None:
    assert told(TICKED, [recalled(BAD)])["T001"].state == "done"


def test_what_runs_is_no_trouble() -> None:
    task = told(OPEN, [recalled("running")])["T001"]
    assert (task.state, task.trouble) == ("running", None)


def test_tasks_without_attempts_have_their_disposition() -> None:
    tasks = told(
        "- [x] T001 [SYNC] Decide\n- [ ] T002 Unmarked\n"
        "- [ ] T003 [ASYNC] Go on (depends on T002)\n- [ ] T004 [ASYNC] Rest (depends on T099)\n"
    )
    assert {name: task.state for name, task in tasks.items()} == {
        "T001": "done",
        "T002": "sync",
        "T003": "waiting",
        "T004": "invalid",
    }
    assert [name for name, task in tasks.items() if task.is_sync] == ["T001", "T002"]
    assert [name for name, task in tasks.items() if task.trouble] == ["T004"]


def test_a_bundles_tasks_share_the_attempt_and_split_the_rest() -> None:
    text = TICKED + "- [x] T002 [ASYNC] And this\n"
    tasks = told(text, [recalled(GOOD, tasks=("T001", "T002"))])
    assert tasks["T002"].attempts == ("T001-1",)
    assert tasks["T002"].commits == ("commit-T002-1",)
    assert (tasks["T001"].usage, tasks["T002"].usage) == (UsageReport(5, 1), UsageReport())


def test_an_attempt_at_what_was_deleted_since_is_still_there() -> None:
    gone = told(OPEN, [recalled(BAD, tasks=("T009",))])["T009"]
    assert (gone.state, gone.line) == ("failed", None)
    assert "not in tasks.md" in gone.title
