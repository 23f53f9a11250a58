"""Fences, comments, headings: where tasks are, and where they are only shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdlc_runner.tasks import parser

if TYPE_CHECKING:
    from sdlc_runner.tasks.parser import Task


def read(text: str) -> dict[str, Task]:
    return {task.id: task for task in parser.parse(text).tasks}


@pytest.mark.parametrize(
    ("fence", "inside"),
    [
        ("```", "~~~"),
        ("~~~~", "~~~"),
        ("````md", "```"),
    ],
)
def test_fences_close_only_with_their_own_mark(fence: str, inside: str) -> None:
    closing = fence.rstrip("md")
    text = f"{fence}\n- [ ] T001 a\n{inside}\n- [ ] T002 b\n{closing}x\n{closing}-\n{closing}\n"
    assert list(read(text + "- [ ] T003 c")) == ["T003"]


def test_a_longer_fence_closes() -> None:
    assert list(read("```\n- [ ] T001 a\n`````\n- [ ] T002 b")) == ["T002"]


def test_an_unclosed_fence_ends_with_its_list_item() -> None:
    assert list(read("- [ ] T001 a\n  ```sh\n  - [ ] T009 z\n- [ ] T002 b")) == ["T001", "T002"]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("<!-- a\n- [ ] T001 x\n\n- [ ] T002 y\n-->\n- [ ] T003 z", ["T003"]),
        ("- [ ] T001 put `<!-- badge` in\n- [ ] T002 y", ["T001", "T002"]),
        ("- [ ] T001 an <!-- unclosed\n\n- [ ] T002 y", ["T001", "T002"]),
        ("- [ ] T001 a <!-- b\n- [ ] T002 y\n--> c\n- [ ] T003 z", ["T001", "T003"]),
        ("```\n<!--\n```\n- [ ] T001 x", ["T001"]),
        ("<!--\n```\n-->\n- [ ] T001 x", ["T001"]),
    ],
)
def test_comments(text: str, ids: list[str]) -> None:
    assert list(read(text)) == ids


@pytest.mark.parametrize(
    "title",
    [
        "Dependencies & Order",
        "Parallel Example: US1",
        "Parallel Examples",
        "Notes",
        "Format: x",
        "Implementation Strategy",
        "📋 Notes",
    ],
)
@pytest.mark.parametrize("level", ["##", "###"])
def test_sections_without_tasks(title: str, level: str) -> None:
    text = (
        f"## A\n- [ ] T001 a\n{level} {title}\n- [ ] T002 b\n#### C\n- [ ] T003 c\n## D\n- [ ] T4 d"
    )
    found = parser.parse(text)
    assert [task.id for task in found.tasks] == ["T001", "T4"]
    assert [phase.title for phase in found.phases] == ["A", "D"]


@pytest.mark.parametrize("title", ["Formatting", "Notebook work", "Phase 9: Dependencies"])
def test_sections_with_tasks(title: str) -> None:
    assert list(read(f"## {title}\n- [ ] T002 b")) == ["T002"]


def test_tasks_before_any_heading_are_in_a_phase_without_title() -> None:
    found = parser.parse("- [ ] T001 a\n## B\n- [ ] T002 b")
    assert [(p.title, p.line) for p in found.phases] == [("", 0), ("B", 2)]
    assert [task.phase for task in found.tasks] == [0, 1]


@pytest.mark.parametrize(
    ("title", "number"),
    [("Phase 3.1: Setup", "3.1"), ("Phase N: Polish", "N"), ("Final Phase: X", "Final"), ("Y", "")],
)
def test_phase_numbers(title: str, number: str) -> None:
    assert parser.parse(f"## {title}").phases[0].number == number


def test_phases_of_the_third_level_count_when_they_say_so() -> None:
    text = "## Tasks\n### Phase 1: A\n- [ ] T1 a\n### Phase 2: B\n- [ ] T2 b\n### Tests\n- [ ] T3 c"
    assert [task.phase for task in parser.parse(text).tasks] == [1, 2, 2]


def test_a_phase_takes_the_story_that_all_its_tasks_carry() -> None:
    text = "## A\n- [ ] T001 [US2] a\n- [ ] T002 [US2] b\n## B\n- [ ] T003 [US1] c\n- [ ] T004 d"
    found = parser.parse(text)
    assert [phase.story for phase in found.phases] == ["US2", None]
    assert [task.story for task in found.tasks] == ["US2", "US2", "US1", None]


def test_nested_tasks_are_tasks_of_their_own() -> None:
    text = "- [ ] T001 a\n  - [ ] T001a b\n    - c\n  - d\n"
    assert [task.text for task in read(text).values()] == ["T001 a\n- d", "T001a b\n- c"]
