"""The one character of ``tasks.md`` that this product writes: a task's checkbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.tasks import parser
from sdlc_runner.tasks.scope import TaskIndex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sdlc_runner.tasks.parser import Task, TaskFile

TICK = "X"
_OPEN = " "


def ticked(data: bytes) -> frozenset[str]:
    """Return the ids whose box is ticked, aliases included; on all lines that carry the id."""
    return ticked_in(parser.parse(_decode(data)))


def ticked_in(task_file: TaskFile) -> frozenset[str]:
    """Return the same of a file that has been read."""
    found = task_file.tasks
    still_open = {each.casefold() for task in found if not task.done for each in task.ids}
    return frozenset(
        each
        for task in found
        if task.done
        for each in task.ids
        if each.casefold() not in still_open
    )


def tick(data: bytes, ids: Iterable[str]) -> bytes:
    """Tick the boxes of these tasks and keep every other byte.

    Raises UsageError: UNKNOWN_TASK for an id that is not in the file, DUPLICATE_TASK for one
    that two open lines carry.
    """
    text = _decode(data)
    task_file = parser.parse(text)
    known = TaskIndex(task_file)
    chosen = [_one(task_file, known, each) for each in ids]
    return _write(text, [task for task in chosen if not task.done], TICK)


def union(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Return ours with the boxes that theirs ticked; None where theirs changed more than boxes.

    A tick of a task that ours no longer has, or has twice, is dropped.
    """
    if _blank(base) != _blank(theirs):
        return None
    text = _decode(ours)
    task_file = parser.parse(text)
    known = TaskIndex(task_file)
    found = [known.exact(each) for each in ticked(theirs) - ticked(base)]
    chosen = {at for positions in found if len(positions) == 1 for at in positions}
    return _write(
        text, [task_file.tasks[at] for at in chosen if not task_file.tasks[at].done], TICK
    )


def _one(task_file: TaskFile, known: TaskIndex, task_id: str) -> Task:
    found = [task_file.tasks[at] for at in known.exact(task_id)]
    if not found:
        near = ", ".join(known.nearest(task_id))
        message = f"{task_id} is not in tasks.md."
        raise UsageError(Code.UNKNOWN_TASK, message, f"The nearest are {near}." if near else "")
    if len(found) > 1:
        message = f"{task_id} is on line {found[0].line} and again on line {found[1].line}."
        hint = "Give each task an id of its own."
        raise UsageError(Code.DUPLICATE_TASK, message, hint, line=found[1].line)
    return found[0]


def _blank(data: bytes) -> str:
    """Return the text with every box empty, to compare all that is no tick."""
    text = _decode(data)
    return _join(text, parser.parse(text).tasks, _OPEN)


def _write(text: str, chosen: Iterable[Task], mark: str) -> bytes:
    return _join(text, chosen, mark).encode("utf-8", "surrogateescape")


def _join(text: str, chosen: Iterable[Task], mark: str) -> str:
    pieces: list[str] = []
    at = 0
    for offset in sorted({task.offset for task in chosen}):
        pieces += [text[at:offset], mark]
        at = offset + 1
    return "".join([*pieces, text[at:]])


def _decode(data: bytes) -> str:
    # Bytes that are no UTF-8 come back exactly as they were.
    return data.decode("utf-8", "surrogateescape")
