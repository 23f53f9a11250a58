"""tasks.md as people and models really write it."""

from __future__ import annotations

import pytest

from sdlc_runner.errors import Code
from sdlc_runner.tasks import parser
from sdlc_runner.tasks.parser import Mode, Task

REAL = """\
# Tasks: Webhook relay

## Format: `[ID] [P?] [Story] Description`

- [ ] T900 [ASYNC] a sample, no task

## Phase 1: Setup (Shared Infrastructure) ✅ COMPLETE

- [X] T001 [ASYNC] Run `npm test` to confirm the current baseline
- [X] T014a [SYNC] [US1] Choose the queue
**Checkpoint**: Setup `done.md`

<!--
- [ ] T901 [ASYNC] in a comment
-->

## Phase 2.5: User Story 1 - Relay (Priority: P1) 🎯 MVP

- [X] T003 [ASYNC] [US1] Add the badge (per `research.md` Decision:
  `https://ci.example/badge.svg?branch=main`) directly under the title in `README.md`
- [x] T006 [P] [ASYNC] [US1] Implement `src/webhook/event_filter.py`:
  - `parse_event(headers, body) -> …`
  - [ ] rejects what is signed badly

  ```python
  - [ ] T902 in a fence, see src/fence.py
  ```

  A paragraph of the same task.

### Inline Rename (depends on T016)

* [ ] **T019**: [P] [async] Rename
+ [~] T020 CRITICAL: Add integration test per Constitution II / FR-010 (missing)
- [ ] ~~T021 gone~~
- [ ] **SECURITY TEST**: no id, no task
- ~~T022~~ REMOVED

#### Deeper
1. [ ] [ASYNC] T023 [P] late id

## Final Phase: Polish

\t- [-] TDD-001 [SYNC] [CRITICAL] Tidy
- [ ] T002/T003b/T004 [P] [ASYNC] all in `package.json`

```text
- [ ] T903 in a fence
```

## Dependencies & Execution Order

- [ ] T904 not a task

### Phase Dependencies

- [ ] T905 not a task either
"""


def read(text: str) -> dict[str, Task]:
    return {task.id: task for task in parser.parse(text).tasks}


def one(text: str) -> Task:
    (task,) = parser.parse(text).tasks
    return task


def test_finds_exactly_the_tasks_of_a_real_file() -> None:
    assert list(read(REAL)) == [
        *("T001", "T014a", "T003", "T006", "T019", "T020", "T023", "TDD-001", "T002"),
    ]


def test_phases_have_title_number_line_and_story() -> None:
    found = [(p.title, p.number, p.line, p.story) for p in parser.parse(REAL).phases]
    assert found == [
        ("Phase 1: Setup (Shared Infrastructure) ✅ COMPLETE", "1", 7, None),
        ("Phase 2.5: User Story 1 - Relay (Priority: P1) 🎯 MVP", "2.5", 17, "US1"),
        ("Final Phase: Polish", "Final", 42, None),
    ]


@pytest.mark.parametrize(
    ("task_id", "done", "mode", "marked", "parallel", "story", "phase"),
    [
        ("T001", True, Mode.ASYNC, True, False, None, 0),
        ("T014a", True, Mode.SYNC, True, False, "US1", 0),
        ("T003", True, Mode.ASYNC, True, False, "US1", 1),
        ("T006", True, Mode.ASYNC, True, True, "US1", 1),
        ("T019", False, Mode.ASYNC, True, True, "US1", 1),
        ("T020", False, Mode.SYNC, False, False, "US1", 1),
        ("T023", False, Mode.ASYNC, True, True, "US1", 1),
        ("TDD-001", False, Mode.SYNC, True, False, None, 2),
        ("T002", False, Mode.ASYNC, True, True, None, 2),
    ],
)
def test_markers(
    task_id: str,
    *,
    done: bool,
    mode: Mode,
    marked: bool,
    parallel: bool,
    story: str | None,
    phase: int,
) -> None:
    task = read(REAL)[task_id]
    found = (task.done, task.mode, task.marked, task.parallel, task.story, task.phase)
    assert found == (done, mode, marked, parallel, story, phase)


def test_wrapped_lines_and_sub_bullets_belong_to_the_task() -> None:
    found = read(REAL)
    assert found["T003"].text == (
        "T003 [ASYNC] [US1] Add the badge (per `research.md` Decision:\n"
        "`https://ci.example/badge.svg?branch=main`) directly under the title in `README.md`"
    )
    assert found["T003"].files == ("research.md", "README.md")
    assert found["T006"].text == (
        "T006 [P] [ASYNC] [US1] Implement `src/webhook/event_filter.py`:\n"
        "- `parse_event(headers, body) -> …`\n"
        "- [ ] rejects what is signed badly\n\n"
        "```python\n- [ ] T902 in a fence, see src/fence.py\n```\n\n"
        "A paragraph of the same task."
    )
    assert found["T006"].files == ("src/webhook/event_filter.py",)


def test_a_checkpoint_line_is_no_part_of_the_task_above() -> None:
    assert read(REAL)["T014a"].text == "T014a [SYNC] [US1] Choose the queue"


def test_a_heading_gives_its_dependency_to_the_tasks_below() -> None:
    found = {task_id: list(map(str, task.depends_on)) for task_id, task in read(REAL).items()}
    assert {task_id: needs for task_id, needs in found.items() if needs} == {
        "T019": ["T016"],
        "T020": ["T016"],
        "T023": ["T016"],
    }


def test_the_heading_of_a_phase_does_too() -> None:
    text = "## Phase 2: User Story 2 (depends on US1)\n### Tests\n- [ ] T002 x\n## B\n- [ ] T003 y"
    assert [list(map(str, task.depends_on)) for task in read(text).values()] == [["US1"], []]


def test_a_task_under_its_own_heading_does_not_depend_on_itself() -> None:
    text = "## A\n### X (depends on T001)\n- [ ] T001 a\n- [ ] T002 b"
    assert [len(task.depends_on) for task in read(text).values()] == [0, 1]


def test_struck_through_ids_are_remembered() -> None:
    assert parser.parse(REAL).removed == ("T021",)


def test_aliases() -> None:
    assert read(REAL)["T002"].ids == ("T002", "T003b", "T004")
    assert one("- [ ] T002-T004 three").ids == ("T002", "T003", "T004")


@pytest.mark.parametrize(
    ("line", "task_id", "title"),
    [
        ("- [ ] T001 Plain", "T001", "Plain"),
        ("- [ ] **T001** Bold", "T001", "Bold"),
        ("- [ ] **T001**: Bold and colon", "T001", "Bold and colon"),
        ("- [ ] **T001:** Colon in bold", "T001", "Colon in bold"),
        ("- [ ] **T001 Bold title** - rest", "T001", "Bold title - rest"),
        ("- [ ] T001: Colon", "T001", "Colon"),
        ("- [ ] T001 - Dash", "T001", "Dash"),
        ("- [ ] T001 **Important** thing", "T001", "**Important** thing"),
        ("- [ ] [P] [US1] T001 [ASYNC] Late", "T001", "Late"),
        ("- [ ] [T001] [P] Bracketed", "T001", "Bracketed"),
        ("- [ ] T001 [CRITICAL] [P] Unknown", "T001", "[CRITICAL] Unknown"),
        ("- [ ] T001 [Docs](docs/a.md) Link", "T001", "[Docs](docs/a.md) Link"),
        ("- [ ] t014a lower", "T014a", "lower"),
        ("- [ ] T-001 old", "T-001", "old"),
        ("- [ ] tdd-001b test first", "TDD-001b", "test first"),
        ("* [ ] T001 star", "T001", "star"),
        ("+ [ ] T001 plus", "T001", "plus"),
        ("12. [ ] T001 number", "T001", "number"),
        ("\t\t- [ ] T001 tabs", "T001", "tabs"),
        ("         - [ ] T001 deep", "T001", "deep"),
        ("- [ ] T001 a <!-- T002 --> b", "T001", "a b"),
    ],
)
def test_one_line(line: str, task_id: str, title: str) -> None:
    task = one(line)
    assert (task.id, task.title) == (task_id, title)


@pytest.mark.parametrize(
    "line",
    [
        "- [ ] **SECURITY TEST**: check",
        "- T001 no box",
        "[ ] T001 no bullet",
        "- [] T001 no space",
        "- [ ]T001 glued",
        "- [ ] ~~T007 dropped~~",
        "- [ ] **~~T007~~** dropped",
        "- [ ] T007 ~~dropped altogether~~",
        "~~T007~~ REMOVED",
        "<!-- - [ ] T001 x -->",
        "- [ ] Task T001",
        "- [ ] T001x2 no id",
        "- [ ] TODO",
        "",
    ],
)
def test_no_task(line: str) -> None:
    assert parser.parse(line).tasks == ()


def test_words_struck_within_a_title_leave_the_task() -> None:
    assert one("- [ ] T001 ~~old~~ new name").title == "~~old~~ new name"


@pytest.mark.parametrize(
    ("markers", "mode", "marked"),
    [
        ("[ASYNC]", Mode.ASYNC, True),
        ("[async]", Mode.ASYNC, True),
        ("[P, ASYNC]", Mode.ASYNC, True),
        ("[P][ASYNC]", Mode.ASYNC, True),
        ("**[ASYNC]**", Mode.ASYNC, True),
        ("[SYNC]", Mode.SYNC, True),
        ("[SYNC/ASYNC]", Mode.SYNC, True),
        ("[ASYNC] [SYNC]", Mode.SYNC, True),
        ("", Mode.SYNC, False),
        ("explain the marker [ASYNC]", Mode.SYNC, False),
        ("`[ASYNC]`", Mode.SYNC, False),
    ],
)
def test_mode(markers: str, mode: Mode, *, marked: bool) -> None:
    task = one(f"- [ ] T001 {markers} do it")
    assert (task.mode, task.marked) == (mode, marked)


@pytest.mark.parametrize(
    ("box", "done"), [("x", True), ("X", True), (" ", False), ("~", False), ("✓", False)]
)
def test_box(box: str, *, done: bool) -> None:
    assert one(f"- [{box}] T001 a").done is done


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_and_offsets(newline: str, mark: str) -> None:
    text = mark + newline.join(["- [a] T001 a", "", "  1. [b] T002 b", "", "é", "- [c] T003 c", ""])
    found = parser.parse(text).tasks
    assert [task.line for task in found] == [1, 3, 6]
    assert [task.column for task in found] == [3, 6, 3]
    assert [text[task.offset] for task in found] == ["a", "b", "c"]
    assert [task.text for task in found] == ["T001 a", "T002 b", "T003 c"]


def test_what_ends_a_task() -> None:
    text = (
        "- [ ] T001 a\nlazy\n- plain bullet\nmore\n- [ ] T002 b\n\nparagraph\n- [ ] T003 c\n---\nz"
    )
    assert [task.text for task in read(text).values()] == ["T001 a\nlazy", "T002 b", "T003 c"]


def test_a_blank_line_goes_on_only_deeper() -> None:
    text = "  - [ ] T001 a\n\n    deeper\n\n  same\n"
    assert one(text).text == "T001 a\n\ndeeper"


def test_duplicates_are_reported_with_both_lines() -> None:
    (problem,) = parser.parse("- [ ] T003 a\n\n- [ ] t003 b").problems
    assert problem.code is Code.DUPLICATE_TASK
    assert problem.message == "T003 is on line 1 and again on line 3"
    assert (problem.line, problem.ids) == (3, ("T003",))


def test_an_alias_is_a_duplicate_too() -> None:
    assert len(parser.parse("- [ ] T001/T002 a\n- [ ] T002 b").problems) == 1


def test_a_title_is_bounded_and_the_text_is_not() -> None:
    task = one("- [ ] T001 " + "a" * 1000)
    assert len(task.title) == 200
    assert len(task.text) == 1005
