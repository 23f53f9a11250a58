from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdlc_runner.events.types import EventType
from sdlc_runner.worker.agents.base import Usage
from sdlc_runner.worker.agents.opencode_events import Translator

WORK = Path("/src/tree")


def feed(translator: Translator, *args: str) -> list[tuple[EventType, dict[str, Any]]]:
    return [(body.type, body.to_fields()) for body in translator.feed(*args)]


def part_of(
    translator: Translator, part: object, *, root: bool = True
) -> list[tuple[EventType, dict[str, Any]]]:
    return [(body.type, body.to_fields()) for body in translator.part(part, root=root)]


def line(type_: str, **more: Any) -> str:  # noqa: ANN401
    return json.dumps({"type": type_, "timestamp": 1, "sessionID": "ses_1", **more})


def tool(name: str, given: object, status: str = "completed", **more: object) -> str:
    state = {"status": status, "input": given, "time": {"start": 1000, "end": 2500}, **more}
    return line("tool_use", part={"type": "tool", "tool": name, "state": state})


def finish(reason: str = "stop", **tokens: object) -> str:
    return line(
        "step_finish",
        part={"type": "step-finish", "reason": reason, "tokens": tokens, "cost": 0.25},
    )


def text(said: str) -> str:
    return line("text", part={"type": "text", "text": said, "time": {"start": 1, "end": 2}})


def error(message: str = "bad key", status: object = 401, name: str = "APIError") -> str:
    details = {"message": message, "statusCode": status}
    return line("error", error={"name": name, "data": details})


def test_text_is_a_message() -> None:
    translator = Translator(WORK)
    assert feed(translator, text("I \x1b[31mread\nit.")) == [
        (EventType.MESSAGE, {"text": "I read it."})
    ]
    assert translator.last_message == "I read it."
    assert feed(translator, text(" \n")) == []


@pytest.mark.parametrize(
    ("name", "given", "target"),
    [
        ("write", {"filePath": "/src/tree/src/a.py", "content": "x"}, "src/a.py"),
        ("list", {"path": "/src/tree"}, "."),
        ("read", {"filePath": "/src/tree2/a"}, "/src/tree2/a"),
        ("bash", {"description": "d", "command": "make test"}, "make test"),
        ("shell", {"command": "a\nb"}, "a b"),
        ("grep", {"pattern": "x+"}, "x+"),
        ("task", {"description": "look", "prompt": "p"}, "look"),
        ("subagent", {"description": "look"}, "look"),
        ("bash", {"command": "y" * 300}, "y" * 199 + "…"),
    ],
)
def test_a_tool_shows_what_it_was_used_on(name: str, given: object, target: str) -> None:
    fields = {"name": name, "status": "completed", "target": target, "duration": 1.5}
    assert feed(Translator(WORK), tool(name, given)) == [(EventType.TOOL, fields)]


def test_a_tool_without_a_target_shows_its_title() -> None:
    fields = feed(Translator(WORK), tool("todowrite", {"todos": []}, title="3 todos"))[0][1]
    assert fields["target"] == "3 todos"


def test_a_failed_tool_is_an_error() -> None:
    translator = Translator(WORK)
    [(_, fields)] = feed(translator, tool("edit", None, "error", time=None))
    assert fields == {"name": "edit", "status": "error"}
    assert translator.last_tool == "edit"


def test_usage_adds_up() -> None:
    translator = Translator(WORK)
    feed(translator, finish("tool-calls", input=100, output=20, reasoning=5))
    [(type_, fields)] = feed(translator, finish(input=1, cache={"read": 7, "write": 2}))
    assert type_ is EventType.USAGE
    assert fields == {"input_tokens": 101, "output_tokens": 25, "cache_tokens": 9, "cost": 0.5}
    assert translator.usage == Usage(101, 25, 9, 0.5)
    assert translator.finished


@pytest.mark.parametrize("value", [-1, True, "5", 1e400, float("nan"), 10**30, None, [1]])
def test_absurd_numbers_count_nothing(value: object) -> None:
    translator = Translator(WORK)
    feed(
        translator,
        line(
            "step_finish", part={"type": "step-finish", "tokens": {"input": value}, "cost": value}
        ),
    )
    assert translator.usage == Usage()


def test_a_new_step_is_not_finished() -> None:
    translator = Translator(WORK)
    feed(translator, finish())
    feed(translator, line("step_start", part={"type": "step-start"}))
    assert not translator.finished


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (error(), "model_refused"),
        (error(status=403), "model_refused"),
        (error(status=402), "model_refused"),
        (error(status=429), "model_rate_limited"),
        (error(status=500), "model_error"),
        (error("no key", None, "ProviderAuthError"), "model_refused"),
        (
            error("Unable to connect. Is the computer able to access the url?", None),
            "model_unreachable",
        ),
        (error("read ECONNRESET", None), "model_unreachable"),
        (error("Model not found: a/b.", None, "UnknownError"), "model_error"),
        (line("error", error=None), "model_error"),
        (line("error", error={"data": []}), "model_error"),
    ],
)
def test_errors_have_codes(given: str, code: str) -> None:
    translator = Translator(WORK)
    [(type_, fields)] = feed(translator, given)
    assert type_ is EventType.WARNING
    assert fields["code"] == code
    assert fields["message"]
    assert translator.error is not None


def test_an_error_that_was_overcome_is_forgotten() -> None:
    translator = Translator(WORK)
    feed(translator, error(status=500))
    feed(translator, finish("tool-calls"))
    assert translator.error is not None
    feed(translator, finish("stop"))
    assert translator.error is None


def test_an_auto_rejected_permission_is_noticed_on_stderr_only() -> None:
    said = "\x1b[93m! permission requested: bash (x); auto-rejecting\x1b[0m"
    translator = Translator(WORK)
    assert feed(translator, said)[0][0] is EventType.LOG
    assert not translator.rejected
    [(type_, fields)] = feed(translator, said, "stderr")
    assert (type_, fields["code"]) == (EventType.WARNING, "permission_rejected")
    assert fields["message"] == "! permission requested: bash (x); auto-rejecting"
    assert translator.rejected


def test_a_rejection_in_the_last_event_is_noticed() -> None:
    translator = Translator(WORK)
    assert feed(translator, line("done", reason="idle", rejected=["x"])) == []
    assert translator.rejected


@pytest.mark.parametrize(
    "given",
    [
        "plain text",
        '{"v":1,"seq":1,"time":"2026-01-01T00:00:00.000Z","type":"result","status":"succeeded"}',
        '{"v":1,"type":"text","sessionID":"x","part":{"type":"text","text":"x"}}',
        '{"type":"text"}',
        '{"type":1,"sessionID":"x"}',
        "{",
        '{"a":' * 50_000,
        "[1]",
        '"x"',
        "null",
    ],
)
def test_anything_else_is_a_log(given: str) -> None:
    [(type_, fields)] = feed(Translator(WORK), given)
    assert type_ is EventType.LOG
    assert fields["stream"] == "stdout"
    assert len(fields["text"]) <= 4000


def test_empty_lines_are_nothing() -> None:
    assert feed(Translator(WORK), " \t\x00") == []


@pytest.mark.parametrize("type_", ["session.idle", "step_start", "reasoning", "new-in-3.0"])
def test_unknown_events_of_opencode_are_ignored(type_: str) -> None:
    assert feed(Translator(WORK), line(type_, part={"type": type_, "text": "hm"})) == []


def test_a_huge_tool_line_is_one_small_event() -> None:
    given = tool("bash", {"command": "cat big"}, output="x" * 1_000_000)
    [(type_, fields)] = feed(Translator(WORK), given)
    assert type_ is EventType.TOOL
    assert len(json.dumps(fields)) < 200


def test_a_line_too_long_to_read_is_a_log() -> None:
    [(type_, fields)] = feed(Translator(WORK), tool("bash", {}, output="x" * 3_000_000))
    assert type_ is EventType.LOG
    assert len(fields["text"]) == 4000


def test_parts_of_the_server_are_reported_once_when_they_change() -> None:
    translator = Translator(WORK)
    part: dict[str, Any] = {"id": "p1", "type": "tool", "tool": "bash"}
    seen = []
    for status, output in (("pending", ""), ("running", "a"), ("running", "ab"), ("completed", "")):
        given = {"command": "make"}
        part["state"] = {"status": status, "input": given, "metadata": {"output": output}}
        seen += [fields["status"] for _, fields in part_of(translator, part)]
    assert seen == ["running", "completed"]


def test_a_growing_text_or_the_prompt_is_not_reported() -> None:
    translator = Translator(WORK)
    part: dict[str, Any] = {"id": "p1", "type": "text", "text": "I th", "time": {"start": 1}}
    assert part_of(translator, part) == []
    assert part_of(translator, {"id": "p0", "type": "text", "text": "the prompt"}) == []
    part["time"]["end"] = 2
    assert len(part_of(translator, part)) == 1
    assert part_of(translator, part) == []


def test_a_child_session_decides_nothing() -> None:
    translator = Translator(WORK)
    part_of(
        translator, {"type": "step-finish", "reason": "stop", "tokens": {"input": 3}}, root=False
    )
    part_of(translator, {"type": "text", "text": "child", "time": {"end": 1}}, root=False)
    assert not translator.finished
    assert translator.last_message == ""
    assert translator.usage.input_tokens == 3


def test_parts_seen_do_not_fill_the_memory() -> None:
    translator = Translator(WORK)
    for number in range(12_000):
        part_of(translator, {"id": str(number), "type": "step-finish", "reason": "stop"})
    assert len(translator._seen) <= 10_000  # noqa: SLF001
