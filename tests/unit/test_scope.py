"""What the words of a call mean."""

from __future__ import annotations

import pytest

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.tasks import parser, scope

FILE = parser.parse("""\
## Phase 1: Setup (Shared Infrastructure)
- [ ] T001 a
- [ ] T002 b
## Phase 2: Foundational
- [ ] T003 c
- [ ] T003a d
## Phase 3: User Story 1 - Login
- [ ] T004/T005 e
## Phase 4: User Story 2 - Logout
- [ ] T006 f
## Final Phase: Polish
- [ ] T007 g
""")
ALL = "T001 T002 T003 T003a T004 T006 T007"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ALL),
        ("T003", "T003"),
        ("t003A", "T003a"),
        ("T3", "T003"),
        ("T005", "T004"),
        ("T001 T006", "T001 T006"),
        ("T001,T006", "T001 T006"),
        ("T002-T004", "T002 T003 T003a T004"),
        ("T002..T003", "T002 T003"),
        ("T002 to T003", "T002 T003"),
        ("t002 \u2013 t003", "T002 T003"),
        ("US1", "T004"),
        ("us2", "T006"),
        ("user story 1", "T004"),
        ("US1-US2", "T004 T006"),
        ("phase:2", "T003 T003a"),
        ("phase 2", "T003 T003a"),
        ("phases 1-2", "T001 T002 T003 T003a"),
        ("phase:setup", "T001 T002"),
        ("phase:found", "T003 T003a"),
        ("phase:final", "T007"),
        ("the final phase", "T007"),
        ("only execute tasks T001-T002, then stop", "T001 T002"),
        ("only execute the Setup phase", "T001 T002"),
        ("finish user story 1 and phase 1", "T001 T002 T004"),
        ("from T004", "T004 T006 T007"),
        ("up to T002", "T001 T002"),
        ("all tasks", ALL),
        ("everything except T003 and US1", "T001 T002 T003a T006 T007"),
        ("skip T007", "T001 T002 T003 T003a T004 T006"),
        ("phase 1 but not T002", "T001"),
        ("not T002, only T001", "T001"),
    ],
)
def test_means(words: str, expected: str) -> None:
    assert scope.parse(words.split(), FILE).ids == set(expected.split())


def test_words_that_named_nothing_are_reported() -> None:
    assert scope.parse(["please", "run", "T001", "now!"], FILE).ignored == ("please", "run", "now!")


@pytest.mark.parametrize(
    "words",
    [
        "hello",
        "the next phase",
        "UTF-8",
        "phase:9",
        "phase 9",
        "phase:nope",
        "US9",
        "!",
        "before T003",
        "after task T003",
    ],
)
def test_refuses(words: str) -> None:
    with pytest.raises(UsageError) as caught:
        scope.parse([words], FILE)
    assert caught.value.code is Code.BAD_SCOPE
    assert caught.value.hint


def test_a_missing_phase_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        scope.parse(["phase:9"], FILE)
    assert "Phase 2: Foundational" in caught.value.hint


@pytest.mark.parametrize("words", ["T099", "T001-T099", "T099-T001", "up to T099"])
def test_an_unknown_id_is_answered_with_the_nearest(words: str) -> None:
    with pytest.raises(UsageError) as caught:
        scope.parse([words], FILE)
    assert caught.value.code is Code.UNKNOWN_TASK
    assert "T099" in caught.value.message
    assert "T007" in caught.value.hint
