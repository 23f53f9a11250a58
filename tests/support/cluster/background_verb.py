"""A verb that goes on while a test does something: its events as they come."""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING

from support import harness as rigs
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    import subprocess

    from support.harness import Event


class Followed:
    """One running command."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout
        self.lines.extend(iter(self.child.stdout.readline, ""))

    def of(self, type_: str) -> list[Event]:
        """Return the events of one type so far."""
        found = [json.loads(line) for line in list(self.lines)]
        return [event for event in found if event["type"] == type_]

    def wait_for(self, type_: str, seconds: float = 60, **fields: object) -> Event:
        """Wait for an event with these fields."""

        def seen() -> list[Event]:
            return [event for event in self.of(type_) if fields.items() <= event.items()]

        return wait_for(seen, seconds, f"{type_} {fields}, after {self.lines[-3:]}")[0]

    def result(self, seconds: float = 90) -> rigs.Result:
        """Wait for its end."""
        code = self.child.wait(seconds)
        said = self._close()
        text = "".join(self.lines)
        assert "Traceback" not in said, said
        return rigs.Result(code, rigs.parse(text), text, said)

    def kill(self) -> None:
        """End it at once, as a lost connection or a closed laptop would."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        self._close()

    def _close(self) -> str:
        """Return what it said on stderr."""
        assert self.child.stdout
        assert self.child.stderr
        self._reader.join()
        self.child.stdout.close()
        with self.child.stderr as stderr:
            return stderr.read()
