"""A language model that plays by rules: an OpenAI-compatible server for the real OpenCode.

A rule looks at what is asked (the newest prompt, the tools offered, the results so far) and holds
the turns to play; the k-th answer after a prompt is the k-th turn. The server keeps no state but a
list of what it was asked, so that sessions in parallel cannot disturb each other.

In a turn's texts and arguments ``@folder@`` stands for the agent's working directory and
``@results@`` for what its tools have answered since the prompt.

    with ModelServer([Rule("task T001", (calls(write("a.py", "x")), says("done")))]) as model:
        environ = model.environment(os.environ)
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from support.model.request import Request, read
from support.model.stream import refusal, stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

MODEL = "scripted/model-1"
KEY = "model-key-for-tests"


@dataclass(frozen=True)
class Call:
    """One call of a tool."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Turn:
    """One answer of the model."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = "auto"  # None: the stream just ends
    delay: float = 0
    status: int = 200
    body: bytes | None = None  # sent as it is
    input_tokens: int = 100
    output_tokens: int = 20

    @property
    def reason(self) -> str | None:
        """Return the finish reason to send."""
        if self.finish != "auto":
            return self.finish
        return "tool_calls" if self.calls else "stop"


Play = Turn | Callable[[Request], Turn]


@dataclass(frozen=True)
class Rule:
    """Plays its turns for prompts that match: a regular expression, or a test of the request."""

    match: str | Callable[[Request], bool]
    turns: tuple[Play, ...]

    def fits(self, request: Request) -> bool:
        """Whether the rule answers this request."""
        if callable(self.match):
            return self.match(request)
        return re.search(self.match, request.prompt) is not None

    def play(self, request: Request) -> Turn:
        """Return the turn to play; the last one is repeated."""
        chosen = self.turns[min(request.turn, len(self.turns) - 1)]
        return chosen(request) if callable(chosen) else _filled(chosen, request)


def _filled(turn: Turn, request: Request) -> Turn:
    """Put what is known now into the places of a turn."""

    def fill(value: object) -> Any:  # noqa: ANN401
        if isinstance(value, dict):
            return {name: fill(each) for name, each in value.items()}
        if not isinstance(value, str):
            return value
        if "@folder@" in value:
            value = value.replace("@folder@", folder(request))
        return value.replace("@results@", "\n".join(request.results))

    called = tuple(Call(call.name, fill(call.arguments)) for call in turn.calls)
    return replace(turn, text=fill(turn.text), calls=called)


def says(text: str) -> Turn:
    """End with a text."""
    return Turn(text)


def calls(*called: Call, text: str = "") -> Turn:
    """Call tools, all in one message."""
    return Turn(text, called)


def write(path: str, content: str) -> Call:
    """Write a file; OpenCode wants the path absolute."""
    return Call("write", {"filePath": path, "content": content})


def edit(path: str, old: str, new: str) -> Call:
    """Replace a text in a file that was read before."""
    return Call("edit", {"filePath": path, "oldString": old, "newString": new})


def shell(command: str, **more: object) -> Call:
    """Run a command."""
    return Call("bash", {"command": command, "description": "test", **more})


def folder(request: Request) -> str:
    """Return the agent's working directory."""
    found = re.search(r"Working directory: (\S+)", request.system)
    assert found, request.system
    return found[1]


def path(request: Request, name: str) -> str:
    """Return a file's path as OpenCode's tools want it."""
    return f"{folder(request)}/{name}"


def writes(name: str, text: str = "done\n") -> Turn:
    """Write a file of the work tree."""
    return calls(write(f"@folder@/{name}", text))


_NO_RULE = Turn("no rule matches")
_TITLE = Turn("A title")  # what is asked without tools is a title or a summary


@dataclass
class Script:
    """Rules, and what they were asked."""

    rules: Sequence[Rule]
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Turn:
        """Decide what to say."""
        self.requests.append(request)
        if not request.tools:
            return _TITLE
        rule = next((rule for rule in self.rules if rule.fits(request)), None)
        return rule.play(request) if rule else _NO_RULE


class ModelServer(Script):
    """Serves on the loopback interface while its ``with`` block lasts."""

    def __enter__(self) -> Self:
        self._http = Http(("127.0.0.1", 0), lambda _path: self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        """Return the address for a provider's ``baseURL``."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which OpenCode knows this server as ``scripted/model-1``."""
        return {**environ, "OPENCODE_CONFIG_CONTENT": json.dumps(config(self.url))}


def config(url: str) -> dict[str, Any]:
    """Return the OpenCode configuration for a model server at an address."""
    provider, model = MODEL.split("/")
    return {
        "model": MODEL,
        "small_model": MODEL,
        "provider": {
            provider: {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Scripted",
                "options": {"baseURL": url, "apiKey": KEY},
                "models": {
                    model: {"tool_call": True, "limit": {"context": 128_000, "output": 8192}}
                },
            }
        },
    }


class Http(ThreadingHTTPServer):
    """Answers with the script that ``script_at`` finds for the path of a request."""

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        script_at: Callable[[str], Script],
        answer: type[Answer] | None = None,
    ) -> None:
        super().__init__(address, answer or Answer)
        self.script_at = script_at

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients are killed while they read."""


class Answer(BaseHTTPRequestHandler):
    """One question put to the model."""

    server: Http

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        request = read(body, self.headers.get("authorization", ""))
        turn = self.server.script_at(self.path).answer(request)
        time.sleep(turn.delay)
        if turn.body is not None or turn.status != 200:
            self._send(turn.status, "application/json", [turn.body or refusal(turn.status)])
        else:
            self._send(200, "text/event-stream", stream(turn, request.model))

    def _send(self, status: int, kind: str, pieces: Sequence[bytes] | Iterator[bytes]) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()
