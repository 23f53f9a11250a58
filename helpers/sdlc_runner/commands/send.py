"""``send``: puts a message before a running agent."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING

from sdlc_runner.errors import Code, ExitCode, UsageError
from sdlc_runner.events.types import SentEvent
from sdlc_runner.orchestrator import agent_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdlc_runner.commands.call import Call

TEXT_BYTES = 32 * 1024


def run(call: Call) -> ExitCode:
    """Send the text; the agent reads it before its next step."""
    text = text_of(call.args.text, sys.stdin.buffer)
    with agent_session.connect(call.open(), call.args.task) as agent:
        session = agent.session()
        # Once it is idle its worker commits, and would not wait for another turn.
        if not agent.is_busy(session):
            raise agent.idle("has finished its turn; its work is being committed")
        body = {"parts": [{"type": "text", "text": text}]}
        agent.ask("POST", f"/session/{session}/prompt_async", body)
        size = len(text.encode())
        call.output.emit(SentEvent(session=session, bytes=size), agent.known.key)
    return ExitCode.OK


def text_of(words: Sequence[str], stdin: IO[bytes]) -> str:
    """Join the words of a message, or read it from ``stdin`` for ``-``; raises ``bad_argument``."""
    given = stdin.read(TEXT_BYTES + 1) if list(words) == ["-"] else " ".join(words).encode()
    if not given.strip():
        raise UsageError(
            Code.BAD_ARGUMENT, "The message is empty.", "Pass a text, or `-` to read it from stdin."
        )
    if len(given) > TEXT_BYTES:
        raise UsageError(
            Code.BAD_ARGUMENT,
            f"The message is longer than {TEXT_BYTES >> 10} KiB.",
            "Put details into a file of the feature, and publish it for the next attempt.",
        )
    try:
        return given.decode()
    except UnicodeDecodeError as error:
        raise UsageError(Code.NOT_UTF8, f"The message is not UTF-8: {error.reason}.") from None
