"""One character a task, and no other byte."""

from __future__ import annotations

import pytest

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.tasks import checkboxes

PLAIN = b"# T\n- [ ] T001 a\n- [x] T002 b\n  * [~] T003/T004 c\n"


@pytest.mark.parametrize(
    ("before", "ids", "after"),
    [
        (PLAIN, ["T001"], PLAIN.replace(b"[ ]", b"[X]")),
        (PLAIN, ["t001"], PLAIN.replace(b"[ ]", b"[X]")),
        (PLAIN, ["T002"], PLAIN),
        (PLAIN, [], PLAIN),
        (PLAIN, ["T004", "T003"], PLAIN.replace(b"[~]", b"[X]")),
        (PLAIN, ["T001", "T003"], PLAIN.replace(b"[ ]", b"[X]").replace(b"[~]", b"[X]")),
        (b"\xef\xbb\xbf- [ ] T001 a\r\n\r\n", ["T001"], b"\xef\xbb\xbf- [X] T001 a\r\n\r\n"),
        (b"\xff\xfe \xe4\n- [ ] T001 \x80", ["T001"], b"\xff\xfe \xe4\n- [X] T001 \x80"),
        ("- [✓] T001 é".encode(), ["T001"], "- [X] T001 é".encode()),
        (b"- [ ] T001 [ ] no", ["T001"], b"- [X] T001 [ ] no"),
        (
            b"```\n- [ ] T001 x\n```\n- [ ] T001 y",
            ["T001"],
            b"```\n- [ ] T001 x\n```\n- [X] T001 y",
        ),
    ],
)
def test_tick(before: bytes, ids: list[str], after: bytes) -> None:
    assert checkboxes.tick(before, ids) == after


@pytest.mark.parametrize("task_id", ["T009", "T1", ""])
def test_an_unknown_id_is_refused(task_id: str) -> None:
    with pytest.raises(UsageError) as caught:
        checkboxes.tick(PLAIN, [task_id])
    assert caught.value.code is Code.UNKNOWN_TASK


def test_an_id_on_two_lines_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        checkboxes.tick(b"- [ ] T001 a\n- [ ] T001 b\n", ["T001"])
    assert caught.value.code is Code.DUPLICATE_TASK
    assert "line 1 and again on line 2" in caught.value.message


def test_ticked() -> None:
    data = b"- [X] T001 a\n- [x] T002/T003 b\n- [ ] T004 c\n- [x] T005 d\n- [ ] T005 e\n"
    assert checkboxes.ticked(data) == {"T001", "T002", "T003"}
    assert checkboxes.ticked(b"") == frozenset()


BASE = b"- [ ] T001 a\n- [ ] T002 b\n- [x] T003 c\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (BASE, BASE, BASE),
        (
            b"- [X] T001 a\n- [ ] T002 b\n- [x] T003 c\n",
            b"- [ ] T001 a\n- [x] T002 b\n- [x] T003 c\n",
            b"- [X] T001 a\n- [X] T002 b\n- [x] T003 c\n",
        ),
        (
            b"intro\r\n- [ ] T002 new words\n- [ ] T004 d\n",
            b"- [X] T001 a\n- [X] T002 b\n- [x] T003 c\n",
            b"intro\r\n- [X] T002 new words\n- [ ] T004 d\n",
        ),
        (
            b"- [ ] T001 a\n- [ ] T001 twice\n",
            b"- [X] T001 a\n- [ ] T002 b\n- [x] T003 c\n",
            b"- [ ] T001 a\n- [ ] T001 twice\n",
        ),
        (
            b"- [ ] T001 a\n- [ ] T002 b\n- [ ] T003 reopened\n",
            b"- [X] T001 a\n- [ ] T002 b\n- [x] T003 c\n",
            b"- [X] T001 a\n- [ ] T002 b\n- [ ] T003 reopened\n",
        ),
        (BASE, b"- [ ] T001 other\n- [ ] T002 b\n- [x] T003 c\n", None),
        (BASE, BASE + b"- [ ] T004 d\n", None),
    ],
    ids=["same", "both tick", "ours edits", "twice in ours", "reopened", "theirs edits", "adds"],
)
def test_union(ours: bytes, theirs: bytes, expected: bytes | None) -> None:
    assert checkboxes.union(BASE, ours, theirs) == expected
