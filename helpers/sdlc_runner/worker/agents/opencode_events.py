"""What OpenCode prints (``run --format json``), as our events; its server's parts are the same.

Everything in it is hostile: nothing here raises, whatever the line, and every text is bounded.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdlc_runner.events.codec import clean
from sdlc_runner.events.types import (
    EventBody,
    LogEvent,
    MessageEvent,
    Outcome,
    ToolEvent,
    WarningEvent,
)
from sdlc_runner.worker.agents.base import AgentVerdict, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


PARSE_LIMIT = 2 * 1024 * 1024
"""A longer line is not read as JSON."""
_TARGETS = ("filePath", "path", "command", "pattern", "description", "url", "query")
_PATHS = frozenset({"filePath", "path"})
_TARGET_LIMIT = 200
_MESSAGE_LIMIT = 500
_LARGEST = 2**53
_NO_REASONS = frozenset({"", "unknown", "other"})
_SEEN_LIMIT = 10_000
_REFUSED = frozenset({401, 402, 403})
_RATE_LIMITED = 429
_UNREACHABLE = re.compile(
    r"unable to connect|cannot connect|connection|ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT"
    r"|fetch failed|network|socket|timed? ?out",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ModelError:
    """Why the model did not answer."""

    code: str
    message: str


class Translator:
    """Turns lines or parts into events, and remembers what decides how the agent ended."""

    def __init__(self, work: Path) -> None:
        """Make paths relative to ``work``."""
        self._roots = tuple(dict.fromkeys((str(work), str(work.resolve()))))
        self._seen: dict[tuple[str, str], None] = {}
        self.reason: str | None = None
        self.usage = Usage()
        self.error: ModelError | None = None
        self.rejected = False
        self.empty_steps = 0
        self.retried = ""
        self.last_tool = ""
        self.last_message = ""

    @property
    def finished(self) -> bool:
        """Whether the model's last step ended because it had no more to do."""
        return self.reason == "stop"

    def feed(self, line: str, stream: str = "stdout") -> list[EventBody]:
        """Translate one line; what is no event of OpenCode's is a ``log``."""
        if stream == "stderr" and "auto-rejecting" in line:
            self.rejected = True
            message = clean(line, _MESSAGE_LIMIT).strip()
            return [WarningEvent(code="permission_rejected", message=message)]
        record = _record(line) if stream == "stdout" else None
        if record is None:
            text = clean(line).strip()
            return [LogEvent(text=text, stream=stream)] if text else []
        if record["type"] == "error":
            return self.fail(record.get("error"))
        if record["type"] == "done":
            self.rejected = self.rejected or bool(record.get("rejected"))
        return self.part(record.get("part"))

    def fail(self, error: object) -> list[EventBody]:
        """Translate an error of the session."""
        self.error = _model_error(_mapping(error))
        return [WarningEvent(code=self.error.code, message=self.error.message)]

    def part(self, part: object, *, root: bool = True) -> list[EventBody]:
        """Translate one part; ``root`` is false for a child session's, which decides nothing."""
        part = _mapping(part)
        kind = part.get("type")
        if kind == "step-start" and root:
            if self._is_new(part, "start"):
                self.reason = None
        elif kind == "step-finish":
            return self._step_finish(part, root=root)
        elif kind == "text":
            return self._text(part, root=root)
        elif kind == "tool":
            return self._tool(part)
        return []

    def _step_finish(self, part: Mapping[str, Any], *, root: bool) -> list[EventBody]:
        if not self._is_new(part, "finish"):
            return []
        self.usage = self.usage.plus(_usage(part))
        if root:
            self.retried = ""
            self.reason = clean(_text(part.get("reason")), 50)
            self.empty_steps = self.empty_steps + 1 if self.reason in _NO_REASONS else 0
            if self.finished:
                self.error = None  # it recovered
        return [self.usage.to_event()]

    def _text(self, part: Mapping[str, Any], *, root: bool) -> list[EventBody]:
        text = clean(_text(part.get("text"))).strip()
        # a part without an end is still growing, or is the prompt
        if not text or "end" not in _mapping(part.get("time")) or not self._is_new(part, "end"):
            return []
        if root:
            self.last_message = text
        return [MessageEvent(text=text)]

    def _tool(self, part: Mapping[str, Any]) -> list[EventBody]:
        state = _mapping(part.get("state"))
        status = _text(state.get("status"))
        name = clean(_text(part.get("tool")), 100).strip() or "tool"
        if status not in {"running", "completed", "error"} or not self._is_new(part, status):
            return []
        self.last_tool = name
        self.empty_steps = 0
        target = self._target(state) or None
        return [ToolEvent(name=name, status=status, target=target, duration=_duration(state))]

    def _target(self, state: Mapping[str, Any]) -> str:
        given = _mapping(state.get("input"))
        for name in _TARGETS:
            text = _text(given.get(name))
            if text:
                return clean(
                    self._relative(text) if name in _PATHS else text, _TARGET_LIMIT
                ).strip()
        return clean(_text(state.get("title")), _TARGET_LIMIT).strip()

    def _relative(self, path: str) -> str:
        for root in self._roots:
            if path.startswith(f"{root}/"):
                return path[len(root) + 1 :] or "."
        return "." if path in self._roots else path

    def _is_new(self, part: Mapping[str, Any], status: str) -> bool:
        """Whether this state of a part was not yet reported: the server repeats growing parts."""
        identity = _text(part.get("id"))
        if (identity, status) in self._seen:
            return False
        if identity:
            self._seen[identity, status] = None
            if len(self._seen) > _SEEN_LIMIT:
                del self._seen[next(iter(self._seen))]
        return True


def _record(line: str) -> dict[str, Any] | None:
    """Read a line as an event of OpenCode's; None if it is anything else, such as one of ours."""
    if not line.startswith("{") or len(line) > PARSE_LIMIT:
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if type(record) is not dict or "v" in record:
        return None
    named = type(record.get("type")) is str and type(record.get("sessionID")) is str
    return record if named else None


def _usage(part: Mapping[str, Any]) -> Usage:
    tokens = _mapping(part.get("tokens"))
    cache = _mapping(tokens.get("cache"))
    return Usage(
        _count(tokens.get("input")),
        _count(tokens.get("output")) + _count(tokens.get("reasoning")),
        _count(cache.get("read")) + _count(cache.get("write")),
        _number(part.get("cost")),
    )


def _duration(state: Mapping[str, Any]) -> float | None:
    time = _mapping(state.get("time"))
    if "start" not in time or "end" not in time:
        return None
    return round(max(0.0, _number(time["end"]) - _number(time["start"])) / 1000, 3)


def _model_error(error: Mapping[str, Any]) -> ModelError:
    details = _mapping(error.get("data"))
    candidates = (details.get("message"), error.get("message"), error.get("name"))
    message = next((text for text in map(_text, candidates) if text.strip()), "")
    message = clean(message, _MESSAGE_LIMIT).strip() or "the model failed without a reason"
    return ModelError(_error_code(error.get("name"), details.get("statusCode"), message), message)


def _error_code(name: object, status: object, message: str) -> str:
    if name == "MessageAbortedError":
        return "agent_aborted"
    if (type(status) is int and status in _REFUSED) or name == "ProviderAuthError":
        return "model_refused"
    if type(status) is int:
        return "model_rate_limited" if status == _RATE_LIMITED else "model_error"
    return "model_unreachable" if _UNREACHABLE.search(message) else "model_error"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < _LARGEST else 0


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _LARGEST:
        return 0.0
    return float(value) if math.isfinite(value) else 0.0


REJECTED = AgentVerdict(
    Outcome.FAILED,
    "permission_rejected",
    "OpenCode asked for a permission, which no one was there to give, and stopped",
)


def failure(translator: Translator) -> AgentVerdict | None:
    """Return the failure that OpenCode reported, if any; that it exited proves nothing."""
    if translator.error is not None:
        error = translator.error
        if error.code == "agent_aborted":
            return AgentVerdict(Outcome.FAILED, error.code, "somebody aborted the agent's session")
        return AgentVerdict(Outcome.FAILED, error.code, f"the model failed: {error.message}")
    if translator.rejected:
        return REJECTED
    return None


def unfinished(translator: Translator) -> AgentVerdict | None:
    """Return that the model's last step was not its end; None if it was."""
    if translator.finished:
        return None
    message = f"the model stopped before it was done ({translator.reason or 'no last step'})"
    return AgentVerdict(Outcome.FAILED, "agent_incomplete", message)
