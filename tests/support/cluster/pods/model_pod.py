"""The scripted model as a pod: a script for each key, which is the first part of a URL's path.

    POST /KEY/v1/chat/completions     ask the model
    PUT  /KEY/rules                   what it shall answer (model_script)
    GET  /KEY/requests                what it was asked, newest last
    POST, GET /KEY/notes              a line for the tests to read; all lines
    PUT, GET /KEY/gates/GATE          open a gate; wait until it is open

usage: python3 -m support.cluster.pods.model_pod
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from dataclasses import asdict, dataclass, field

from support.cluster.ports import HTTP
from support.model import script as model_script
from support.model.server import Answer, Http, Script


@dataclass
class Stage:
    """All that belongs to one key."""

    script: Script = field(default_factory=lambda: Script(()))
    notes: list[str] = field(default_factory=list)
    gates: dict[str, threading.Event] = field(default_factory=dict)

    def gate(self, name: str) -> threading.Event:
        return self.gates.setdefault(name, threading.Event())


STAGES: defaultdict[str, Stage] = defaultdict(Stage)


class StageRequest(Answer):
    """A question to the model, or a test at its door."""

    def do_POST(self) -> None:  # noqa: N802
        if not self.path.endswith("/notes"):
            super().do_POST()
            return
        size = int(self.headers["content-length"])
        self._stage().notes.append(self.rfile.read(size).decode())
        self._send(200, "text/plain", [])

    def do_PUT(self) -> None:  # noqa: N802
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        match self.path.split("/")[2:]:
            case ["rules"]:
                self._stage().script.rules = model_script.loads(body)
            case ["gates", gate]:
                self._stage().gate(gate).set()
            case _:
                self._send(404, "text/plain", [])
                return
        self._send(200, "text/plain", [])

    def do_GET(self) -> None:  # noqa: N802
        stage = self._stage()
        match self.path.split("/")[2:]:
            case ["requests"]:
                self._tell([asdict(request) for request in stage.script.requests])
            case ["notes"]:
                self._tell(stage.notes)
            case ["gates", gate]:
                stage.gate(gate).wait()
                self._tell([])
            case _:
                self._send(404, "text/plain", [])

    def _stage(self) -> Stage:
        return STAGES[_key(self.path)]

    def _tell(self, value: object) -> None:
        self._send(200, "application/json", [json.dumps(value).encode()])


def _key(path: str) -> str:
    return path.split("/")[1]


def main() -> None:
    address = ("0.0.0.0", HTTP)  # noqa: S104 - a pod
    Http(address, lambda path: STAGES[_key(path)].script, StageRequest).serve_forever()


if __name__ == "__main__":
    main()
