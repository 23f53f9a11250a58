"""Which consecutive tasks share an attempt."""

from __future__ import annotations

import pytest

from sdlc_runner.plan import planner
from sdlc_runner.plan.planner import Disposition
from sdlc_runner.tasks import parser


def bundled(text: str, small: int = 0) -> list[list[str]]:
    made = planner.build(parser.parse(text), bundle_small=small)
    return [["+".join(task.id for task in unit.tasks) for unit in wave] for wave in made.waves]


def lines(*names: str) -> str:
    return "".join(f"- [ ] T00{n} {name}\n" for n, name in enumerate(names, start=1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (lines("[ASYNC] a.py", "[ASYNC] a.py", "[ASYNC] b.py"), [["T001+T002"], ["T003"]]),
        (lines("[P] [ASYNC] a.py", "[P] [ASYNC] a.py"), [["T001+T002"]]),
        (lines("[ASYNC] a.py b.py", "[ASYNC] b.py", "[ASYNC] b.py"), [["T001+T002+T003"]]),
        (lines("[ASYNC] src/", "[ASYNC] src/a.py"), [["T001+T002"]]),
        (lines("[ASYNC] a.py", "[ASYNC] b.py", "[ASYNC] a.py"), [["T001"], ["T002"], ["T003"]]),
        (lines("[ASYNC] a.py", "[SYNC] a.py", "[ASYNC] a.py"), [["T001"]]),
        (
            lines("[ASYNC] a.py", "[ASYNC] a.py") + "## B\n- [ ] T009 [ASYNC] a.py",
            [["T001+T002"], ["T009"]],
        ),
        (
            lines("[P] [ASYNC] z.py", "[P] [ASYNC] a.py", "[P] [ASYNC] a.py (depends on T001)"),
            [["T001", "T002"], ["T003"]],
        ),
        (
            lines("[P] [ASYNC] a.py (depends on T002)", "[P] [ASYNC] a.py", "[P] [ASYNC] c.py"),
            [["T003"]],
        ),
        (lines(*["[ASYNC] a.py"] * 9), [["+".join(f"T00{n}" for n in range(1, 9))], ["T009"]]),
    ],
    ids=[
        "same file",
        "false P",
        "grows",
        "folder",
        "not adjacent",
        "over SYNC",
        "over a phase",
        "not ready together",
        "circle",
        "at most eight",
    ],
)
def test_by_file(text: str, expected: list[list[str]]) -> None:
    assert bundled(text) == expected


@pytest.mark.parametrize(
    ("text", "small", "expected"),
    [
        (lines("[ASYNC] a", "[ASYNC] b", "[ASYNC] c"), 2, [["T001+T002"], ["T003"]]),
        (lines("[P] [ASYNC] a", "[P] [ASYNC] b", "[P] [ASYNC] c"), 3, [["T001+T002+T003"]]),
        (lines("[ASYNC] a", "[ASYNC] b"), 1, [["T001"], ["T002"]]),
        (
            lines("[P] [ASYNC] a", "[P] [ASYNC] b", "[P] [ASYNC] c (depends on T001)"),
            2,
            [["T001+T002"], ["T003"]],
        ),
        (
            lines("[P] [ASYNC] a (depends on T002)", "[P] [ASYNC] b"),
            2,
            [["T002"], ["T001"]],
        ),
    ],
    ids=["pairs", "all", "one is none", "full", "forward"],
)
def test_small_ones(text: str, small: int, expected: list[list[str]]) -> None:
    assert bundled(text, small) == expected


def test_the_tasks_of_a_bundle_stand_together() -> None:
    text = lines("[ASYNC] z", "[ASYNC] a.py", "[ASYNC] a.py")
    items = planner.build(parser.parse(text)).items
    assert [(each.disposition, each.wave, each.bundle, each.waits_for) for each in items] == [
        (Disposition.READY, 1, None, ()),
        (Disposition.WAITING, 2, "T002", ("T001",)),
        (Disposition.WAITING, 2, "T002", ("T001",)),
    ]


def test_a_ready_bundle_is_ready_as_a_whole() -> None:
    items = planner.build(parser.parse(lines("[ASYNC] a.py", "[ASYNC] a.py"))).items
    assert [each.disposition for each in items] == [Disposition.READY, Disposition.READY]
    assert items[1].reason == "runs in one attempt with T001 (line 1)"


def test_parallel_tasks_in_a_folder_are_no_bundle() -> None:
    text = lines("[P] [ASYNC] src/", "[P] [ASYNC] src/a.py", "[P] [ASYNC] src/b.py")
    assert bundled(text) == [["T001"], ["T002", "T003"]]
