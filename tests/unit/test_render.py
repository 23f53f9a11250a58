"""Events as people's words: every type has some, in one line, in colour only when asked."""

from __future__ import annotations

from typing import Any

import pytest

from sdlc_runner.events.codec import AttemptKey, Event, now
from sdlc_runner.events.types import BODIES, EventType, Field, FieldKind, fields_of
from sdlc_runner.output import render

KEY = AttemptKey("001-demo", "T001", 1)


def value(field: Field) -> Any:  # noqa: ANN401
    if field.values:
        return field.values[0]
    samples: dict[FieldKind, Any] = {
        FieldKind.TEXT: "text",
        FieldKind.COUNT: 7,
        FieldKind.NUMBER: 1.5,
        FieldKind.FLAG: True,
        FieldKind.TEXTS: ["one", "two"],
        FieldKind.RECORDS: [{}],
        FieldKind.ANY: "any",
    }
    return samples[field.kind]


def event(
    type_: EventType,
    key: AttemptKey | None = KEY,
    /,
    **fields: Any,  # noqa: ANN401
) -> Event:
    return Event(type_, now(), fields, key)


def minimal(type_: EventType) -> dict[str, Any]:
    return {
        name: value(field) for name, field in fields_of(BODIES[type_]).items() if field.required
    }


def maximal(type_: EventType) -> dict[str, Any]:
    return {name: value(field) for name, field in fields_of(BODIES[type_]).items()}


@pytest.mark.parametrize("type_", EventType)
def test_every_type_has_words_with_few_fields_and_with_all(type_: EventType) -> None:
    for fields in (minimal(type_), maximal(type_)):
        for key in (None, KEY):
            text = render.line(event(type_, key, **fields))
            assert text == text.rstrip()
            assert "{" not in text
            assert "None" not in text


@pytest.mark.parametrize("type_", EventType)
def test_colour_is_there_only_when_asked_and_always_ends(type_: EventType) -> None:
    made = event(type_, **maximal(type_))
    plain, coloured = render.line(made), render.line(made, colour=True)
    assert "\x1b" not in plain
    assert coloured.count("\x1b") in {0, 2}
    if "\x1b" in coloured:
        assert coloured.endswith("\x1b[0m")


@pytest.mark.parametrize(
    ("key", "start"),
    [
        (KEY, "T001  ticked"),
        (AttemptKey("001-demo", "T001", 2), "T001-2 ticked"),
        (AttemptKey("001-demo", "TDD-001", 1), "TDD-001 ticked"),
        (AttemptKey("001-demo", "T001", 0), "T001  ticked"),
        (AttemptKey("001-demo", "", 0), "ticked"),
        (None, "ticked"),
    ],
)
def test_a_line_begins_with_who(key: AttemptKey | None, start: str) -> None:
    assert render.line(event(EventType.TICKED, key, line=3)).startswith(start)


@pytest.mark.parametrize(
    ("type_", "fields", "text"),
    [
        (EventType.PHASE, {"phase": "working", "detail": "T001"}, "T001  working"),
        (EventType.PHASE, {"phase": "working", "detail": "T002"}, "T001  working T002"),
        (
            EventType.PHASE,
            {"phase": "working", "context_bytes": 9},
            "T001  working (context 9 bytes)",
        ),
        (EventType.TOOL, {"name": "edit", "status": "completed", "target": "a"}, "T001  ✓ edit a"),
        (EventType.TOOL, {"name": "bash", "status": "error"}, "T001  ✗ bash"),
        (EventType.USAGE, {"input_tokens": 0, "output_tokens": 0}, "T001"),
        (
            EventType.USAGE,
            {"input_tokens": 5, "output_tokens": 2, "cost": 0.25},
            "T001  7 tokens, $0.2500",
        ),
        (
            EventType.GAP,
            {"from": 3, "to": 5, "recovered": False},
            "T001  events 3 to 5 missing from the log",
        ),
        (
            EventType.GAP,
            {"from": 3, "to": 5, "recovered": True},
            "T001  events 3 to 5 found in the transcript",
        ),
        (
            EventType.ERROR,
            {"code": "no_git", "message": "No.", "hint": "Install it."},
            "T001  error: No. [no_git]\n       → Install it.",
        ),
        (
            EventType.SPAWNED,
            {"backend": "local", "where": "place", "tasks": ["T001", "T002"]},
            "T001  started with T002: local place",
        ),
        (
            EventType.OUTCOME,
            {"outcome": "failed", "code": "x", "message": "Bad.", "duration": 2, "excerpt": ["a"]},
            "T001  failed: Bad. (2.0s) [x]\n       | a",
        ),
    ],
)
def test_words(type_: EventType, fields: dict[str, Any], text: str) -> None:
    assert render.line(event(type_, **fields)) == text


def test_a_place_below_home_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    for where, shown in (("/home/me/state/a", "~/state/a"), ("/home/mean/a", "/home/mean/a")):
        made = event(EventType.SPAWNED, backend="local", where=where)
        assert render.line(made) == f"T001  started: local {shown}"


def row(number: int = 1, **fields: Any) -> str:  # noqa: ANN401
    return render.line(event(EventType.ROW, AttemptKey("f", "T001", number), **fields))


def test_rows_are_columns() -> None:
    lines = [
        row(state="running", phase="working", elapsed=3.25, last="| hi"),
        row(2, state="ended", outcome="failed", code="agent_failed", elapsed=120.0),
        row(state="ended", outcome="succeeded", code="verified"),
        row(state="merged", outcome="no_change", code="no_change", elapsed=0.5),
    ]
    assert lines == [
        "T001     running  working               3.2s  | hi",
        "T001-2   ended    failed               2m00s  [agent_failed]",
        "T001     ended    succeeded                   not merged yet: `sdlc-runner merge`",
        "T001     merged   no change             0.5s",
    ]


def test_a_row_names_the_other_tasks_of_its_batch() -> None:
    shown = row(state="merged", outcome="succeeded", tasks=["T001", "T002", "T003"])
    assert shown.endswith("with T002, T003")


def test_outcomes_have_no_underscores_for_people_and_are_exact_for_models() -> None:
    fields = {"outcome": "timed_out", "code": "timed_out", "message": "It did.", "duration": 102}
    made = event(EventType.OUTCOME, **fields)
    assert render.line(made) == "T001  timed out: It did. (1m42s) [timed_out]"
    assert render.line(made, exact=True) == "T001  timed_out: It did. (1m42s) [timed_out]"
    assert render.line(event(EventType.RESULT, status="push_failed")) == (
        "T001  reported push failed"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (59.4, "59.4s"), (59.96, "1m00s"), (102, "1m42s"), (3599.7, "1h00m")],
)
def test_durations(seconds: float, text: str) -> None:
    assert render.duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 tasks"), (1, "1 task"), (2, "2 tasks")])
def test_one_is_no_plural(count: int, text: str) -> None:
    assert render.counted(count, "task") == text


def test_the_summary_leaves_out_only_chatter() -> None:
    left_out = {"log", "usage", "heartbeat", "message"}
    assert {type_.value for type_ in EventType if type_ not in render.SUMMARY_TYPES} == left_out
