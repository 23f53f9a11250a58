"""A model's answer as bytes: the chunks of an OpenAI-compatible stream."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.model.server import Turn


def refusal(status: int) -> bytes:
    """Say no."""
    return json.dumps({"error": {"message": f"refused with {status}"}}).encode()


def stream(turn: Turn, model: str) -> Iterator[bytes]:
    """Yield a turn, chunk by chunk."""
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}

    def chunk(delta: Mapping[str, Any], finish: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({**base, "choices": [choice], **more}).encode() + b"\n\n"

    yield chunk({"role": "assistant", "content": turn.text})
    for index, call in enumerate(turn.calls):
        function = {"name": call.name, "arguments": json.dumps(call.arguments)}
        called = {
            "index": index,
            "id": f"call_{time.time_ns()}_{index}",
            "type": "function",
            "function": function,
        }
        yield chunk({"tool_calls": [called]})
    if turn.reason is not None:
        usage = {
            "prompt_tokens": turn.input_tokens,
            "completion_tokens": turn.output_tokens,
            "total_tokens": turn.input_tokens + turn.output_tokens,
        }
        yield chunk({}, turn.reason, usage=usage)
        yield b"data: [DONE]\n\n"
