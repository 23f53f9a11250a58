"""One prompt to the agent's server, followed to its end whatever the server does meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sdlc_runner.events.types import Outcome
from sdlc_runner.worker.agents.base import DONE, AgentVerdict
from sdlc_runner.worker.agents.opencode_events import REJECTED, failure, unfinished
from sdlc_runner.worker.agents.opencode_server.client import NOT_FOUND, ServerGone, TooSlow
from sdlc_runner.worker.agents.opencode_server.session import ServerEvents, Session, is_name
from sdlc_runner.worker.untrusted_json import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sdlc_runner.worker.agents.base import Emit
    from sdlc_runner.worker.agents.limits import Heartbeat
    from sdlc_runner.worker.agents.opencode_events import Translator
    from sdlc_runner.worker.agents.opencode_server.client import Server
    from sdlc_runner.worker.masking import Masker

_SILENCE_SECONDS = 60.0  # the server itself says something every 10
_PROBE_SECONDS = 5.0
_START_SECONDS = 2.0  # what is asked in the very moment of its start may never be answered
_GONE_SECONDS = 5.0
_PAUSE = 0.2
_ASK_SECONDS = 30.0
_MESSAGES = 100
_LOST = frozenset({"agent_server_died", "agent_server_hung"})
_MOST_REOPENED = 100


class Ended(Exception):  # noqa: N818 - it carries a verdict, which may be a good one
    """Breaks off whatever is being waited for."""

    def __init__(self, verdict: AgentVerdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


class _Silent(Exception):  # noqa: N818 - a state
    """The stream is open and says nothing."""


def gone(why: str) -> AgentVerdict:
    """Say that there is no server any more that knows the session."""
    return AgentVerdict(Outcome.FAILED, "agent_server_died", f"the agent's server is gone: {why}")


def hung() -> AgentVerdict:
    """Say that the server takes connections and does not answer."""
    return AgentVerdict(
        Outcome.IDLE, "agent_server_hung", "the agent's server does not answer any more"
    )


class Turn:
    """Sends one prompt in a new session; ``check`` says many times a second if it may go on."""

    def __init__(
        self,
        server: Server,
        translator: Translator,
        heartbeat: Heartbeat,
        check: Callable[[], AgentVerdict | None],
        emit: Emit,
        masker: Masker,
        silence: float = _SILENCE_SECONDS,
    ) -> None:
        """Begin nothing yet; after so many seconds of ``silence`` the stream is opened again."""
        self._server = server
        self._translator = translator
        self._heartbeat = heartbeat
        self._check = check
        self._emit = emit
        self._masker = masker
        self._silence = silence
        self._session = Session("", translator)
        self._prompted = False
        self._heard = time.monotonic()
        self._gone_since: float | None = None
        self._reopened = 0
        self.lost = False

    def run(self, title: str, body: Mapping[str, Any]) -> AgentVerdict:
        """Follow the agent to its end, or to what ``check`` says; returns how it ended."""
        verdict: AgentVerdict | None = None
        try:
            verdict = self._run(title, body)
        finally:
            self.lost = verdict is not None and verdict.code in _LOST
            if verdict is not DONE and not self.lost:
                self._abort()
        return verdict

    def _run(self, title: str, body: Mapping[str, Any]) -> AgentVerdict:
        try:
            self._create(title)
            self._follow(body)
        except Ended as ended:
            is_idle = ended.verdict.status is Outcome.IDLE
            return (self._probe() if is_idle else None) or ended.verdict
        except TooSlow:
            return hung()
        except ServerGone as error:
            return gone(str(error))
        wrong = failure(self._translator) or unfinished(self._translator)
        return wrong or DONE

    def _tick(self) -> None:
        cause = self._check()
        if cause is not None:
            raise Ended(cause)
        if time.monotonic() - self._heard > self._silence:
            raise _Silent

    def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        """Ask for something that must work; returns the JSON of the answer."""
        self._heard = time.monotonic()  # it has its own time limit
        answer = self._server.call(method, path, body, tick=self._tick, seconds=_ASK_SECONDS)
        if answer.ok:
            return answer.value
        if answer.status == NOT_FOUND and self._session.root:
            raise Ended(gone("it does not know the session; it was started again"))
        words = as_text(as_mapping(as_mapping(answer.value).get("data")).get("message"))
        text = f"the agent's server refused {method} {path.split('/')[1]}: {answer.status} {words}"
        raise Ended(AgentVerdict(Outcome.FAILED, "agent_server_refused", text.strip()))

    def _create(self, title: str) -> None:
        root = as_text(as_mapping(self._ask("POST", "/session", {"title": title})).get("id"))
        if not is_name(root):
            refused = "the agent's server made no session"
            raise Ended(AgentVerdict(Outcome.FAILED, "agent_server_refused", refused))
        self._session = Session(root, self._translator)

    def _follow(self, body: Mapping[str, Any]) -> None:
        """Listen until the session is idle; opened again when the stream breaks."""
        while not self._session.idle:
            broke = True
            try:
                self._listen(body)
            except ServerGone:
                pass
            except _Silent:
                broke = False
            if not self._session.idle:
                self._pause(broke=broke)

    def _listen(self, body: Mapping[str, Any]) -> None:
        self._heard = time.monotonic()
        events = ServerEvents(self._masker)
        with self._server.stream("/event", self._tick) as pieces:
            self._on_piece(events, next(pieces, b""))  # before it, nothing is listened to
            if self._prompted:
                self._catch_up()
            else:
                self._prompted = True
                self._ask("POST", f"/session/{self._session.root}/prompt_async", body)
            self._gone_since = None
            while not self._session.idle and (piece := next(pieces, b"")):
                self._on_piece(events, piece)

    def _on_piece(self, events: ServerEvents, piece: bytes) -> None:
        self._heard = time.monotonic()
        for event in events.feed(piece):
            if self._session.is_life(event):
                self._heartbeat.alive()
                self._reopened = 0
            for body in self._session.translate(event):
                self._emit(body)
            if self._translator.rejected:
                raise Ended(REJECTED)

    def _pause(self, *, broke: bool) -> None:
        """Wait until the server answers before the stream is opened again, but not for ever.

        ``broke``: the stream ended, and did not only fall silent.
        """
        self._reopened += 1
        self._gone_since = self._gone_since or time.monotonic()
        while True:
            now = time.monotonic()
            found = self._probe(_START_SECONDS)
            self._heard = time.monotonic()
            if now - self._gone_since > _GONE_SECONDS or self._reopened > _MOST_REOPENED:
                # One that was started again may be slow to answer; a hung one breaks no stream.
                if broke and found == hung():
                    found = None
                raise Ended(found or gone("it breaks off every stream of events"))
            self._tick()
            time.sleep(_PAUSE)
            if found is None or found.status is Outcome.IDLE:
                return

    def _probe(self, seconds: float = _PROBE_SECONDS) -> AgentVerdict | None:
        """Return what is wrong with the server itself; None if it is well."""
        try:
            self._server.call("GET", "/global/health", seconds=seconds)
        except TooSlow:
            return hung()
        except ServerGone:
            return gone("nothing answers at its address")
        return None

    def _catch_up(self) -> None:
        """Read what happened while the stream was closed."""
        root = self._session.root
        self._ask("GET", f"/session/{root}")
        for child in as_list(self._ask("GET", f"/session/{root}/children")):
            self._session.add(child)
        for name in self._session.ids:
            messages = self._ask("GET", f"/session/{name}/message?limit={_MESSAGES}")
            for body in self._session.catch_up(name, messages):
                self._heartbeat.alive()
                self._emit(body)
            if name == root:
                last = messages
        self._session.rest(last, self._ask("GET", "/session/status"))

    def _abort(self) -> None:
        """End what the session still does; a server that is gone has ended it."""
        if self._session.root:
            try:
                path = f"/session/{self._session.root}/abort"
                self._server.call("POST", path, {}, seconds=_PROBE_SECONDS)
            except (ServerGone, TooSlow):
                self.lost = True
