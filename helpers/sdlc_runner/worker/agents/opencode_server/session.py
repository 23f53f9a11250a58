"""One session of the agent's server: its events, cut out of a hostile stream and translated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.events.codec import clean
from sdlc_runner.events.types import EventBody, LogEvent, WarningEvent
from sdlc_runner.worker.agents.opencode_events import PARSE_LIMIT
from sdlc_runner.worker.untrusted_json import as_list, as_mapping, as_text, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sdlc_runner.worker.agents.opencode_events import Translator
    from sdlc_runner.worker.masking import Masker


class ServerEvent(NamedTuple):
    """One event: its type and properties, and the session it is about, if any."""

    type: str
    properties: Mapping[str, Any]

    @property
    def session(self) -> str:
        """Return the id of its session; empty if it is about none."""
        return as_text(self.properties.get("sessionID")) or as_text(
            as_mapping(self.properties.get("part")).get("sessionID")
        )


class ServerEvents:
    """Makes events of pieces of bytes; what is too long or no event is left out."""

    def __init__(self, masker: Masker) -> None:
        """Mask what comes before any text of it can be cut."""
        self._masker = masker
        self._rest = bytearray()
        self._skipping = False

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """Yield the events that a piece completes."""
        *lines, rest = piece.split(b"\n")
        for line in lines:
            event = None if self._skipping else self._event(bytes(self._rest + line))
            self._rest, self._skipping = bytearray(), False
            if event is not None:
                yield event
        self._rest += rest
        if len(self._rest) > PARSE_LIMIT:
            self._rest, self._skipping = bytearray(), True

    def _event(self, line: bytes) -> ServerEvent | None:
        if not line.startswith(b"data:") or len(line) > PARSE_LIMIT:
            return None
        record = parse_json(self._masker.mask(line[5:].decode("utf-8", "replace")))
        if not isinstance(record, dict):
            return None
        return ServerEvent(as_text(record.get("type")), as_mapping(record.get("properties")))


_MOST_SESSIONS = 200
_MESSAGE_LIMIT = 500
_MOST_SENT = 1000
_ASKS = frozenset({"permission.asked", "question.asked"})


class Session:
    """Translates what concerns the session ``root``; forgets nothing when a stream is reopened."""

    def __init__(self, root: str, translator: Translator) -> None:
        """Begin with a session that has heard no prompt yet."""
        self.root = root
        self.ids = [root]
        self.idle = False
        self._given: list[str] = []
        self._retried = ""
        self._translator = translator

    def translate(self, event: ServerEvent) -> list[EventBody]:
        """Translate one event; those of other sessions, and unknown ones, say nothing."""
        given = event.properties
        if event.type == "session.created":
            self.add(given.get("info"))
        if event.session and event.session not in self.ids:
            return []
        is_root = event.session in {"", self.root}
        if event.type == "message.part.updated":
            part = given.get("part")
            sent = self._sent(part) if event.session == self.root else []
            return sent or self._translator.part(part, root=is_root)
        if event.type == "session.error" and is_root:
            return self._translator.fail(given.get("error"))
        if event.type in _ASKS:
            return self._ask(given)
        status = as_mapping(given.get("status"))
        ended = event.type == "session.idle" or status.get("type") == "idle"
        if event.session == self.root and ended:
            self.idle = True
        return self._retry(status) if status.get("type") == "retry" else []

    def _retry(self, status: Any) -> list[EventBody]:  # noqa: ANN401
        """Tell why the model is asked again, once for each reason."""
        words = clean(as_text(status.get("message")), _MESSAGE_LIMIT).strip()
        self._translator.retried = words
        if words == self._retried:
            return []
        self._retried = words
        text = f"the model is asked again: {words}"
        return [WarningEvent(code="model_retry", message=text)]

    def _sent(self, part: object) -> list[EventBody]:
        """Tell what a person has sent; the first text without times of its own is the prompt."""
        part = as_mapping(part)
        name, text = as_text(part.get("messageID")), as_text(part.get("text")).strip()
        is_given = part.get("type") == "text" and "time" not in part and not part.get("synthetic")
        if not (is_given and name and text):
            return []
        if name in self._given or len(self._given) > _MOST_SENT:
            return []
        self._given.append(name)
        if len(self._given) == 1:
            return []
        reported = clean(f"sent to the agent: {text}", _MESSAGE_LIMIT)
        return [LogEvent(text=reported, stream="wrapper")]

    def is_life(self, event: ServerEvent) -> bool:
        """Whether the event shows that the agent itself is at work, not only its server."""
        return event.session in self.ids and event.type.startswith("message.")

    def add(self, session: object) -> None:
        """Note a session if it is below one of ours."""
        session = as_mapping(session)
        name = as_text(session.get("id"))
        is_below = session.get("parentID") in self.ids and name not in self.ids
        if is_name(name) and is_below and len(self.ids) < _MOST_SESSIONS:
            self.ids.append(name)

    def _ask(self, given: Any) -> list[EventBody]:  # noqa: ANN401
        self._translator.rejected = True
        wanted = [as_text(item) for item in as_list(given.get("patterns"))[:5]]
        text = f"rejected: {as_text(given.get('permission')) or 'a question'} {' '.join(wanted)}"
        message = clean(text, _MESSAGE_LIMIT).strip()
        return [WarningEvent(code="permission_rejected", message=message)]

    def catch_up(self, name: str, messages: object) -> Iterator[EventBody]:
        """Translate a session's messages; what was translated before is left out."""
        for message in map(as_mapping, as_list(messages)):
            for part in as_list(message.get("parts")):
                yield from self._sent(part) if name == self.root else []
                yield from self._translator.part(part, root=name == self.root)
        error = _last(messages).get("error") if name == self.root else None
        if error is not None and self._translator.error is None:
            yield from self._translator.fail(error)

    def rest(self, messages: object, statuses: object) -> None:
        """Note that the session is idle, if its last message has ended and nothing goes on."""
        info = _last(messages)
        ended = "completed" in as_mapping(info.get("time")) or info.get("error") is not None
        status = as_mapping(as_mapping(statuses).get(self.root)).get("type", "idle")
        if info.get("role") == "assistant" and ended and status == "idle":
            self.idle = True


def is_name(text: str) -> bool:
    """Whether a session's id is fit for a path."""
    return text.isascii() and text.isidentifier()


def _last(messages: object) -> Any:  # noqa: ANN401
    found: Iterable[Any] = as_list(messages)[-1:]
    return next((as_mapping(as_mapping(message).get("info")) for message in found), {})
