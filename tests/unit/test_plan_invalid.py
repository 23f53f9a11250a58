"""What stands in the way of tasks: circles, failures, files, unpushed work."""

from __future__ import annotations

import pytest

from sdlc_runner.errors import Code
from sdlc_runner.plan.planner import Disposition
from support.plans import ids, item, make, shown


def test_unpublished_work() -> None:
    text = (
        "## A\n- [x] T001 [SYNC] a\n- [x] T002 [ASYNC] b\n## B\n- [ ] T003 [P] [ASYNC] c\n"
        "- [ ] T004 [P] [ASYNC] d\n"
    )
    made = make(text, unpublished=frozenset({"T001"}))
    assert shown(made)["T003"] == "waiting"
    assert item(made, "T004").reason == (
        "rests on T001 (line 2), which is done here but not pushed; publish it: sdlc-runner publish"
    )


def test_what_does_not_rest_on_unpublished_work_is_ready() -> None:
    text = "- [ ] T000 [P] [ASYNC] z\n- [x] T001 [P] [SYNC] a\n- [ ] T002 [P] [ASYNC] b\n"
    assert shown(make(text, unpublished=frozenset({"T001"})))["T002"] == "ready1"


def test_a_failure_blocks_what_waits_for_it() -> None:
    text = (
        "- [ ] T001 [P] [ASYNC] a\n- [ ] T002 [P] [ASYNC] b\n- [ ] T003 [ASYNC] c (depends on T1)\n"
    )
    made = make(text + "- [ ] T004 [ASYNC] d", failed=frozenset({"T001"}))
    assert shown(made) == {
        "T001": "blocked",
        "T002": "ready1",
        "T003": "blocked",
        "T004": "blocked",
    }
    assert item(made, "T001").reason.endswith("sdlc-runner retry T001")
    assert item(made, "T004").reason == "depends on T001 (line 1), which failed"


def test_a_circle_is_reported_once_with_all_lines() -> None:
    text = (
        "- [ ] T001 [P] [ASYNC] a\n- [ ] T003 [P] [ASYNC] b (depends on T005)\n\n"
        "- [ ] T005 [P] [ASYNC] c (depends on T003)\n- [ ] T006 [P] [ASYNC] d (depends on T005)\n"
    )
    made = make(text)
    (problem,) = made.problems
    assert problem.message == "T003 (line 2) and T005 (line 4) depend on each other"
    assert (problem.code, problem.ids) == (Code.DEPENDENCY_CYCLE, ("T003", "T005"))
    assert shown(made) == {
        "T001": "ready1",
        "T003": "invalid",
        "T005": "invalid",
        "T006": "blocked",
    }
    assert item(made, "T006").reason == "depends on T003 (line 2), which is invalid"


def test_a_circle_of_three() -> None:
    text = "".join(f"- [ ] T00{n} [P] [ASYNC] x (depends on T00{n % 3 + 1})\n" for n in (1, 2, 3))
    (problem,) = make(text).problems
    assert problem.message.startswith("T001 (line 1), T002 (line 2) and T003 (line 3) depend on")


def test_a_circle_through_the_order_names_who_closes_it() -> None:
    made = make(
        "- [ ] T003 [ASYNC] a (depends on T005)\n- [ ] T004 [ASYNC] b\n- [ ] T005 [ASYNC] c"
    )
    (problem,) = made.problems
    assert problem.message.startswith("T003 (line 1) and T005 (line 3) depend on each other: T003")
    assert shown(made) == {"T003": "invalid", "T004": "blocked", "T005": "invalid"}


def test_a_task_that_depends_on_itself() -> None:
    made = make("- [ ] T003 [P] [ASYNC] a (depends on T003)\n- [ ] T004 [P] [ASYNC] b")
    assert [problem.message for problem in made.problems] == ["T003 (line 1) depends on itself"]
    assert shown(made) == {"T003": "invalid", "T004": "ready1"}


def test_a_circle_among_done_tasks_is_history() -> None:
    made = make("- [x] T001 [ASYNC] a (depends on T002)\n- [x] T002 [ASYNC] b (depends on T001)")
    assert made.problems == ()


@pytest.mark.parametrize("phrase", ["T099", "T001-T099", "US9", "Phase 9"])
def test_an_unknown_dependency(phrase: str) -> None:
    text = f"- [ ] T001 [P] [ASYNC] a\n- [ ] T004 [P] [ASYNC] b (depends on {phrase})\n"
    made = make(text)
    (problem,) = made.problems
    missing = phrase.rpartition("-")[2]
    assert problem.message == f"T004 (line 2) depends on {missing}, which is nowhere in tasks.md"
    assert (problem.code, problem.line) == (Code.UNKNOWN_DEPENDENCY, 2)
    assert shown(made) == {"T001": "ready1", "T004": "invalid"}


def test_a_duplicate() -> None:
    text = (
        "- [ ] T001 [P] [ASYNC] a\n- [ ] T003 [P] [ASYNC] b\n- [ ] T003 [P] [ASYNC] c\n"
        "- [ ] T004 [ASYNC] d\n"
    )
    made = make(text)
    assert [each.disposition.value for each in made.items] == [
        *("ready", "invalid", "invalid", "blocked"),
    ]
    assert made.problems[0].message == "T003 is on line 2 and again on line 3"
    assert made.items[1].reason == "T003 is on line 2 and again on line 3"


def test_the_remotes_tick_of_a_duplicate_proves_nothing() -> None:
    made = make("- [ ] T003 [ASYNC] b\n- [ ] T003 [ASYNC] c", published=frozenset({"T003"}))
    assert {each.disposition for each in made.items} == {Disposition.INVALID}


def test_scope() -> None:
    text = (
        "- [ ] T001 [P] [ASYNC] a\n- [ ] T002 [ASYNC] b\n- [ ] T003 [P] [ASYNC] c (depends on T002)"
    )
    made = make(text, scope=frozenset({"T001", "T003"}))
    assert shown(made) == {"T001": "ready1", "T002": "waiting", "T003": "waiting"}
    assert ids(made) == [["T001"]]
    assert item(made, "T003").reason == "waits for T002, which is out of scope and open (line 2)"
    assert "out of scope" not in item(made, "T002").reason


def test_out_of_scope_a_ready_task_stays_ready() -> None:
    made = make("- [ ] T001 [P] [ASYNC] a\n- [ ] T002 [P] [ASYNC] b", scope=frozenset({"T002"}))
    assert shown(made) == {"T001": "ready", "T002": "ready1"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("src/a.py", "src/a.py"),
        ("src/", "src/a.py"),
        ("src/a.py", "src/"),
        ("`src/*.py`", "src/a.py"),
        ("src/a.py", "`src/**/*.py`"),
        ("src/m/", "`src/**/*.py`"),
        ("`src/*.py`", "`src/a*.py`"),
    ],
)
def test_same_file_order_and_the_false_p(one: str, other: str) -> None:
    text = f"- [ ] T001 [P] [SYNC] a {one}\n- [ ] T002 [P] [ASYNC] b {other}\n"
    made = make(text)
    assert shown(made) == {"T001": "sync", "T002": "waiting"}
    (warning,) = item(made, "T002").warnings
    assert warning.code == "false_parallel"
    assert "T002 (line 2)" in warning.message
    assert "T001 (line 1)" in warning.message


def test_a_true_p_has_no_warning() -> None:
    made = make("- [ ] T001 [P] [ASYNC] a.py\n- [ ] T002 [P] [ASYNC] b.py\n- [x] T003 [P] b.py")
    assert [each.warnings for each in made.items] == [(), (), ()]


def test_two_files_in_a_folder_stay_parallel_after_the_folder() -> None:
    text = "- [ ] T001 [P] [ASYNC] in src/\n" + "".join(
        f"- [ ] T00{n} [P] [ASYNC] in src/{n}.py (depends on T001)\n" for n in (2, 3)
    )
    assert {each.task.id: each.waits_for for each in make(text).items}["T003"] == ("T001",)
