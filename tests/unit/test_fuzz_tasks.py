"""No text, scope or byte makes the readers of tasks.md raise anything but a RunnerError."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from sdlc_runner.errors import RunnerError
from sdlc_runner.plan import planner
from sdlc_runner.tasks import checkboxes, parser, scope

PIECES = (
    *("- [ ] ", "* [x] ", "1. [X] ", "- [~] ", "\t- [ ] ", "  - "),
    *("T001", "T002", "t003", "T010a", "TDD-001", "T001/T002", "T1-T9", "T999999999", "US1"),
    *("[P] ", "[ASYNC] ", "[SYNC] ", "[US1] ", "[", "]", "(", ")", "**", "~~", "`", "```", "~~~"),
    *("(depends on ", "blocked by ", "not ", "Phase 1", "phase:", "all ", "except ", "from "),
    *("## Phase 1: User Story 1\n", "### Tests (depends on T002)\n", "## Notes\n", "<!--", "-->"),
    *(
        "src/a.py ",
        "src/ ",
        "src/**/*.py ",
        "{a,b}",
        "manually ",
        "\n",
        "\r\n",
        "\n\n",
        " ",
        "\ufeff",
    ),
)
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=40).map("".join)
TASK = st.builds(
    "- [{}] T{:03d} {}{}{}\n".format,
    st.sampled_from(" xX~"),
    st.integers(0, 12),
    st.sampled_from(["", "[P] "]),
    st.sampled_from(["[ASYNC] ", "[ASYNC] ", "[SYNC] ", ""]),
    st.one_of(
        st.just("a.py"),
        st.integers(0, 14).map("b (depends on T{:03d})".format),
        st.sampled_from(["src/ ", "src/a.py", "`src/*.py`", "manually", "(depends on US1)"]),
    ),
)
FILES = st.lists(
    st.one_of(TASK, st.sampled_from(["## Phase 1: A\n", "## User Story 1\n", "## User Story 2\n"])),
    max_size=20,
).map("".join)
IDS = st.frozensets(st.integers(0, 12).map("T{:03d}".format), max_size=5)


@settings(deadline=None)
@given(TEXTS)
def test_parse_points_at_the_boxes(text: str) -> None:
    lines = text.split("\n")
    for task in parser.parse(text).tasks:
        assert text[task.offset - 1] == "["
        assert text[task.offset + 1] == "]"
        start = int(task.line == 1 and text.startswith("\ufeff"))
        assert lines[task.line - 1][task.column + start] == text[task.offset]


@settings(max_examples=300, deadline=None)
@given(st.one_of(TEXTS, FILES), IDS, IDS, IDS, st.none() | IDS, st.booleans(), st.integers(0, 4))
def test_plans_hold_together(
    text: str,
    failed: frozenset[str],
    published: frozenset[str],
    unpublished: frozenset[str],
    wanted: frozenset[str] | None,
    stories: bool,  # noqa: FBT001 - hypothesis gives positions
    small: int,
) -> None:
    task_file = parser.parse(text)
    made = planner.build(
        task_file,
        scope=wanted,
        published=published,
        unpublished=unpublished,
        failed=failed,
        parallel_stories=stories,
        bundle_small=small,
    )
    assert [item.task for item in made.items] == list(task_file.tasks)
    waves = {item.task.id: item.wave for item in made.items if item.wave}
    units = [unit for wave in made.waves for unit in wave]
    assert sorted(task.id for unit in units for task in unit.tasks) == sorted(waves)
    assert [unit.wave for unit in units] == sorted(unit.wave for unit in units)
    assert {unit.wave for unit in units} == set(range(1, len(made.waves) + 1))
    for item in made.items:
        assert item.reason
        if item.wave:
            assert all(waves[each] < item.wave for each in item.waits_for)
            assert wanted is None or item.task.id in wanted
        if item.disposition is planner.Disposition.READY:
            assert not item.waits_for


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=4), st.one_of(TEXTS, FILES))
def test_scope_answers_or_explains(words: list[str], text: str) -> None:
    task_file = parser.parse(text)
    with suppress(RunnerError):
        assert scope.parse(words, task_file).ids <= {task.id for task in task_file.tasks}


@settings(deadline=None)
@given(st.one_of(st.binary(), TEXTS.map(str.encode), FILES.map(str.encode)), IDS)
def test_ticks_change_only_boxes(data: bytes, ids: frozenset[str]) -> None:
    with suppress(RunnerError):
        new = checkboxes.tick(data, ids)
        assert ids <= checkboxes.ticked(new)
        assert checkboxes.ticked(data) <= checkboxes.ticked(new)
        assert len(new) <= len(data)
        assert checkboxes.union(data, data, new) == new


@settings(deadline=None)
@given(st.binary(), st.binary(), st.one_of(st.binary(), FILES.map(str.encode)))
def test_union_keeps_ours(base: bytes, ours: bytes, theirs: bytes) -> None:
    assert checkboxes.union(theirs, ours, theirs) == ours
    united = checkboxes.union(base, ours, theirs)
    assert united is None or len(united) <= len(ours)
