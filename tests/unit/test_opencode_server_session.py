from __future__ import annotations

from pathlib import Path
from typing import Any

from sdlc_runner.events.types import LogEvent
from sdlc_runner.worker.agents.opencode_events import Translator
from sdlc_runner.worker.agents.opencode_server.session import ServerEvent, Session

ROOT = "ses_root"


def text(message: str, said: str, **more: object) -> dict[str, Any]:
    return {"type": "text", "id": f"prt_{message}", "messageID": message, "text": said, **more}


def heard(session: Session, part: dict[str, Any], of: str = ROOT) -> list[str]:
    event = ServerEvent("message.part.updated", {"sessionID": of, "part": part})
    return [body.text for body in session.translate(event) if isinstance(body, LogEvent)]


def new_session() -> Session:
    return Session(ROOT, Translator(Path("/workspace")))


def test_what_a_person_sends_is_reported_once_and_the_prompt_is_not() -> None:
    session = new_session()
    assert heard(session, text("m1", "Implement task T001")) == []
    assert heard(session, text("m2", "I begin", time={"start": 1, "end": 2})) == []
    assert heard(session, text("m3", "use the parser")) == ["sent to the agent: use the parser"]
    assert heard(session, text("m3", "use the parser")) == []
    assert heard(session, text("m4", "reminder", synthetic=True)) == []
    assert heard(session, text("m5", "other"), of="ses_other") == []


def test_what_was_sent_while_no_one_listened_is_reported_too() -> None:
    session = new_session()
    heard(session, text("m1", "Implement task T001"))
    messages = [{"parts": [text("m1", "Implement task T001")]}, {"parts": [text("m2", "stop")]}]
    told = [body.to_fields()["text"] for body in session.catch_up(ROOT, messages)]
    assert told == ["sent to the agent: stop"]
    assert list(session.catch_up(ROOT, messages)) == []


def test_a_sent_text_is_bounded_and_clean() -> None:
    session = new_session()
    heard(session, text("m1", "Implement task T001"))
    (told,) = heard(session, text("m2", "\x1b[31mred" + "x" * 5000))
    assert len(told) <= 500
    assert "\x1b" not in told


def test_why_the_model_is_asked_again_is_reported_once() -> None:
    session = new_session()
    told = []
    for attempt, said in enumerate(("no route", "no route", "busy\x1b[0m"), 1):
        status = {"type": "retry", "attempt": attempt, "message": said, "next": 1}
        event = ServerEvent("session.status", {"sessionID": ROOT, "status": status})
        told += [body.to_fields()["message"] for body in session.translate(event)]
    assert told == [f"the model is asked again: {said}" for said in ("no route", "busy")]
    assert not session.idle
