"""The phrases in which tasks say what they depend on."""

from __future__ import annotations

import pytest

from sdlc_runner.tasks import mentions


def found(text: str, subject: str = "") -> list[str]:
    return [str(reference) for reference in mentions.find_dependencies(text, subject)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(depends on T005)", ["T005"]),
        ("(depends on T019, T021)", ["T019", "T021"]),
        ("(depends on T008 and T009)", ["T008", "T009"]),
        ("(depends on T008 & T009 or t010a)", ["T008", "T009", "T010a"]),
        ("(depends on T002/T003)", ["T002", "T003"]),
        ("(depends on T002-T004)", ["T002-T004"]),
        ("(depends on T002\u2013T004)", ["T002-T004"]),
        ("(depends on T002 \u2014 T004)", ["T002-T004"]),
        ("(depends on T002 to T004)", ["T002-T004"]),
        ("(depends on T002 through T004)", ["T002-T004"]),
        ("(depends on T002..T004)", ["T002-T004"]),
        ("(depends on T002-004)", ["T002-T004"]),
        ("(depends on T008a-T008e)", ["T008a-T008e"]),
        ("(depends on TDD-001-TDD-003)", ["TDD-001-TDD-003"]),
        ("(depends on T007 models)", ["T007"]),
        ("(depends on T048: auth fix)", ["T048"]),
        ("(depends on US1)", ["US1"]),
        ("(depends on User Story 2)", ["US2"]),
        ("(depends on US1-US3)", ["US1", "US2", "US3"]),
        ("(depends on US1 and T009)", ["US1", "T009"]),
        ("depends on US1's CI results (T003)", ["T003"]),
        ("depends on US1's CI results", ["US1"]),
        ("(depends on Phase 2)", ["Phase 2"]),
        ("(depends on Phases 1-2)", ["Phase 1", "Phase 2"]),
        ("depends: [T001, T002]", ["T001", "T002"]),
        ("depends_on: T001", ["T001"]),
        ("**Depends on**: T004", ["T004"]),
        ("Depends on: T001, T002", ["T001", "T002"]),
        ("Dependencies: T001", ["T001"]),
        ("DEPENDS ON T001", ["T001"]),
        ("is dependent on T001", ["T001"]),
        ("depends upon T001", ["T001"]),
        ("blocked by T003", ["T003"]),
        ("(requires T003)", ["T003"]),
        ("(run after T003 and T004)", ["T003", "T004"]),
        ("depends\n  on T001", ["T001"]),
        ("depends on T001,\n  T002", ["T001", "T002"]),
        ("(depends on T001) and (depends on T002, T001)", ["T001", "T002"]),
    ],
)
def test_says(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "requires T003",
        "after T003 do it",
        "(see T003)",
        "T002 blocks every task in Phase 3",
        "does not depend on T003",
        "doesn't depend on T003",
        "does not directly depend on T003",
        "no longer depends on T003",
        "not blocked by T003",
        "(never depends on T003)",
        "no dependency on T003",
        "depends on this. T003 is another",
        "depends on config; T003",
        "(depends on config) T003",
        "depends on\n- T003",
        "depends on config\n\nT003",
        "depends on non-T003 things",
        "",
    ],
)
def test_says_nothing(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(depends on T001, does not depend on T002)", ["T001"]),
        ("(depends on T001, not T002)", ["T001"]),
        ("(depends on T001-T005 except T003)", ["T001-T005"]),
        ("(depends on T001 (see notes), T002) T003", ["T001", "T002"]),
        ("(depends on T001; see T009)", ["T001"]),
        ("(depends on T001. Then T002)", ["T001"]),
        ("(depends on T001", ["T001"]),
        ("depends on T001) T002", ["T001"]),
    ],
)
def test_where_the_phrase_ends(text: str, expected: list[str]) -> None:
    assert found(text) == expected


def test_what_another_task_depends_on_is_not_ours() -> None:
    assert found("T009 depends on T003", "T004") == []
    assert found("T009 depends on T003", "t009") == ["T003"]
    assert found("T009 also depends on T003", "T004") == []
