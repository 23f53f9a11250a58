"""Dispositions, reasons, waves."""

from __future__ import annotations

import time

import pytest

from sdlc_runner.plan import planner
from sdlc_runner.plan.planner import Disposition, Plan
from sdlc_runner.tasks import parser
from support.plans import ids, item, make, shown

PHASES = """\
## Phase 1: Setup
- [x] T001 [ASYNC] a
- [ ] T002 [P] [ASYNC] b
- [ ] T003 [P] [ASYNC] c
- [ ] T004 [ASYNC] d
- [ ] T005 [P] [ASYNC] e
- [ ] T006 [P] [ASYNC] f
## Phase 2: Next
- [ ] T007 [P] [ASYNC] g
- [ ] T008 [ASYNC] h
"""


def test_waves_follow_phases_order_and_p() -> None:
    made = make(PHASES)
    assert ids(made) == [["T002", "T003"], ["T004"], ["T005", "T006"], ["T007"], ["T008"]]
    assert item(made, "T001").disposition is Disposition.DONE
    assert item(made, "T002").disposition is Disposition.READY
    assert item(made, "T004").disposition is Disposition.WAITING


def test_who_waits_for_whom() -> None:
    waits = {each.task.id: each.waits_for for each in make(PHASES).items}
    assert waits == {
        "T001": (),
        "T002": (),
        "T003": (),
        "T004": ("T002", "T003"),
        "T005": ("T004",),
        "T006": ("T004",),
        "T007": ("T005", "T006"),
        "T008": ("T007",),
    }


def test_a_done_task_in_between_does_not_open_the_way() -> None:
    made = make("## A\n- [ ] T001 [ASYNC] a\n- [x] T002 [ASYNC] b\n- [ ] T003 [P] [ASYNC] c\n")
    assert shown(made) == {"T001": "ready1", "T002": "done", "T003": "waiting2"}


def test_a_done_phase_in_between_does_not_either() -> None:
    made = make(
        "## A\n- [ ] T001 [ASYNC] a\n## B\n- [x] T002 [ASYNC] b\n## C\n- [ ] T003 [ASYNC] c"
    )
    assert shown(made) == {"T001": "ready1", "T002": "done", "T003": "waiting2"}


def test_done_on_the_remote_is_done() -> None:
    made = make("- [ ] T001 [ASYNC] a\n- [ ] T002 [ASYNC] b", published=frozenset({"T001"}))
    assert shown(made) == {"T001": "done", "T002": "ready1"}
    assert "remote" in item(made, "T001").reason
    assert item(made, "T002").waits_for == ()


STORIES = """\
## Phase 1: Setup
- [ ] T001 [ASYNC] a
## Phase 2: User Story 1 - A
- [ ] T002 [ASYNC] b
- [ ] T003 [ASYNC] c
## Phase 3: User Story 2 - B
- [ ] T004 [ASYNC] d `shared.py`
## Phase 4: User Story 3 - C
- [ ] T005 [ASYNC] e `shared.py`
## Phase 5: Polish
- [ ] T006 [ASYNC] f
## Phase 6: User Story 4 - D
- [ ] T007 [ASYNC] g
"""


def test_stories_are_barriers_too() -> None:
    assert [len(wave) for wave in make(STORIES).waves] == [1] * 7


def test_parallel_stories_wait_only_for_what_is_no_story() -> None:
    made = make(STORIES, stories=True)
    assert ids(made) == [["T001"], ["T002", "T004"], ["T003", "T005"], ["T006"], ["T007"]]
    assert item(made, "T006").waits_for == ("T003", "T004", "T005")


def test_declared_dependencies() -> None:
    text = (
        "## A\n- [ ] T001 [P] [ASYNC] a\n- [ ] T002 [P] [ASYNC] b (depends on T001)\n"
        "- [ ] T003 [P] [ASYNC] c (depends on T001-T002)\n- [ ] T004 [P] [ASYNC] d\n"
    )
    assert ids(make(text)) == [["T001", "T004"], ["T002"], ["T003"]]


def test_a_parallel_task_may_depend_on_a_later_one() -> None:
    text = "- [ ] T001 [P] [ASYNC] a (depends on T002)\n- [ ] T002 [P] [ASYNC] b"
    made = make(text)
    assert (ids(made), made.problems) == ([["T002"], ["T001"]], ())


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [("US1", ("T002", "T003")), ("Phase 2", ("T002", "T003")), ("US1's CI (T002)", ("T002",))],
)
def test_whole_stories_and_phases(phrase: str, expected: tuple[str, ...]) -> None:
    text = (
        "## Phase 2: User Story 1 - A\n- [ ] T002 [P] [ASYNC] b\n- [ ] T003 [P] [ASYNC] c\n"
        f"## Phase 3: User Story 2 - B\n- [ ] T004 [ASYNC] d (depends on {phrase})\n"
    )
    assert item(make(text, stories=True), "T004").waits_for == expected


def test_a_dependency_on_ones_own_story_means_what_comes_before() -> None:
    text = "## User Story 1\n" + "".join(
        f"- [ ] T00{n} [P] [ASYNC] x{' (depends on US1)' if n == 2 else ''}\n" for n in (1, 2, 3)
    )
    assert shown(make(text)) == {"T001": "ready1", "T002": "waiting2", "T003": "ready1"}


def test_the_ids_of_requirements_are_no_tasks() -> None:
    made = make("- [ ] T001 [ASYNC] a (depends on FR-010 and ISO-8601)")
    assert (shown(made), made.problems) == ({"T001": "ready1"}, ())


def test_a_struck_through_task_holds_no_one_up() -> None:
    made = make("- [ ] ~~T001 a~~\n- [ ] T002 [ASYNC] b (depends on T001)")
    assert (shown(made), made.problems) == ({"T002": "ready1"}, ())


def test_sync_tasks_are_the_sessions_own() -> None:
    made = make("- [ ] T001 [SYNC] a\n- [ ] T002 b\n- [ ] T003 [ASYNC] c\n- [ ] T004 [ASYNC] d")
    assert shown(made) == {"T001": "sync", "T002": "sync", "T003": "waiting", "T004": "waiting"}
    assert "[ASYNC]" in item(made, "T002").reason
    assert item(made, "T003").reason == "waits for T001, which is SYNC and open (line 1)"
    assert item(made, "T004").reason == "waits for T001, which is SYNC and open (line 1)"
    assert made.waves == ()


@pytest.mark.parametrize(
    "text",
    [
        "Run it manually",
        "needs human review",
        "Manual testing of x",
        "ask a human",
        "do by hand",
        "human sign-off",
        "manual\n  validation",
    ],
)
def test_manual(text: str) -> None:
    made = make(f"- [ ] T001 [ASYNC] {text}\n- [ ] T002 [ASYNC] b")
    assert shown(made) == {"T001": "manual", "T002": "waiting"}
    assert item(made, "T002").reason == "waits for T001, which is manual work and open (line 1)"


@pytest.mark.parametrize("text", ["Write the manual", "humanize names", "a handbook"])
def test_not_manual(text: str) -> None:
    assert shown(make(f"- [ ] T001 [ASYNC] {text}")) == {"T001": "ready1"}


def test_no_task_is_no_plan() -> None:
    assert make("# Nothing") == Plan((), (), ())


@pytest.mark.parametrize("count", [200, 5000])
def test_planning_is_quick(count: int) -> None:
    text = "".join(
        f"{f'## Phase {n}' if n % 25 == 0 else ''}\n- [ ] T{n:04d} [P] [ASYNC] x src/{n % 7}.py "
        f"(depends on T{max(0, n - 3):04d})"
        for n in range(1, count)
    )
    read = parser.parse(text.replace("T0000", "T0001"))
    start = time.perf_counter()
    planner.build(read)
    assert time.perf_counter() - start < count / 500
