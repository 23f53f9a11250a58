"""What a model is asked: the newest prompt, what it did since, and what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True)
class Exchange:
    """A call that the model made in an earlier answer, and what the tool said."""

    turn: int
    name: str
    arguments: Mapping[str, Any]
    result: str


@dataclass(frozen=True)
class Request:
    """What the model is asked."""

    prompt: str
    turn: int
    results: tuple[str, ...]
    tools: tuple[str, ...]
    model: str
    authorization: str
    system: str
    exchanges: tuple[Exchange, ...] = ()


def read(body: Mapping[str, Any], authorization: str) -> Request:
    """Read a question as OpenCode puts it."""
    messages = body.get("messages", [])
    users = [at for at, message in enumerate(messages) if message["role"] == "user"]
    newest = users[-1] if users else -1
    after = messages[newest + 1 :]
    return Request(
        prompt=_text(messages[newest]) if users else "",
        turn=sum(message["role"] == "assistant" for message in after),
        results=tuple(_text(message) for message in after if message["role"] == "tool"),
        tools=tuple(tool["function"]["name"] for tool in body.get("tools") or ()),
        model=body.get("model", ""),
        authorization=authorization,
        system="\n".join(_text(message) for message in messages if message["role"] == "system"),
        exchanges=tuple(_exchanges(after)),
    )


def _exchanges(messages: Sequence[Mapping[str, Any]]) -> Iterator[Exchange]:
    said = {m["tool_call_id"]: _text(m) for m in messages if m["role"] == "tool"}
    answers = [message for message in messages if message["role"] == "assistant"]
    for turn, answer in enumerate(answers):
        for call in answer.get("tool_calls") or ():
            function = call["function"]
            arguments = json.loads(function["arguments"])
            yield Exchange(turn, function["name"], arguments, said.get(call["id"], ""))


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)
