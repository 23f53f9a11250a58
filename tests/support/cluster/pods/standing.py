"""How a repository of the test's git server behaves now: one JSON file inside of it.

The server of the repository reads the file again for each request.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

ROOT = Path("/srv")
RECEIVE = "git-receive-pack"
UPLOAD = "git-upload-pack"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class Mode(Enum):
    """What a request meets."""

    UP = "up"
    UNAVAILABLE = "unavailable"  # 503; by SSH, a message and exit code 1
    CUT = "cut"  # the connection ends without an answer
    MUTE = "mute"  # the work is done, and then the connection ends without an answer


@dataclass(frozen=True)
class Standing:
    """Who may come in, and what is wrong; ``service``: with which one, by default with both."""

    tokens: dict[str, str] = field(default_factory=dict)
    public_key: str = ""
    mode: Mode = Mode.UP
    service: str = ""
    delay: float = 0

    def to_json(self) -> bytes:
        return json.dumps({**asdict(self), "mode": self.mode.value}).encode()

    def concerns(self, service: str) -> bool:
        return not self.service or self.service == service


def from_json(text: bytes) -> Standing:
    record = json.loads(text)
    return Standing(**{**record, "mode": Mode(record["mode"])})


def folder(name: str) -> Path:
    """Return where a repository is; raises ``ValueError`` for what is no name of one."""
    if not _NAME.fullmatch(name):
        raise ValueError(name)
    return ROOT / f"{name}.git"


def read(name: str) -> Standing:
    """Raise ``FileNotFoundError`` if there is no such repository."""
    return from_json((folder(name) / "standing.json").read_bytes())


def write(name: str, standing: Standing) -> None:
    new = folder(name) / "standing.json.new"
    new.write_bytes(standing.to_json())
    new.rename(new.with_suffix(""))
