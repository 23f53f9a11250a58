"""Names: slugs, the identity of an attempt, its branch and its refs.

Guarantees, whatever the input: always valid for git and Kubernetes, stable, and different for
different attempts (a hash is added whenever a slug had to change a text).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner.digest import digest, slug
from sdlc_runner.git.remote_url import normalize_remote

if TYPE_CHECKING:
    from sdlc_runner.events.codec import AttemptKey

META_REFS = "refs/sdlc-runner"
META_BRANCHES = "refs/heads/sdlc-runner-meta"
"""Where a host refuses refs outside of refs/heads."""
NAME_LIMIT = 63  # DNS-1123 label
_HASH = 8
_REF_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9]))*\Z")
_REF_LIMIT = 100


def ref_part(text: str) -> str:
    """Make one component of a ref: the text itself where git and file systems allow it."""
    if _REF_PART.match(text) and len(text) <= _REF_LIMIT and not text.endswith(".lock"):
        return text
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:40] or "x"
    return f"{readable}-{digest(text)[:_HASH]}"


@dataclass(frozen=True)
class Identity:
    """What makes two attempts the same one: remote, feature, tasks with their text, number."""

    remote: str
    key: AttemptKey
    tasks: tuple[str, ...]
    text: str

    @property
    def hash(self) -> str:
        """64 hexadecimal digits."""
        key = self.key
        return digest(
            normalize_remote(self.remote),
            key.feature,
            " ".join(self.tasks),
            self.text,
            str(key.number),
        )

    @property
    def name(self) -> str:
        """A DNS-1123 label of at most 63 characters: readable, and unique by its hash."""
        key = self.key
        tail = f"-{key.number}-{self.hash[:10]}"
        room = NAME_LIMIT - len("sdlc-") - len(tail)
        return f"sdlc-{slug(f'{key.feature}-{key.task}', room)}{tail}"


def branch(prefix: str, key: AttemptKey) -> str:
    """Name the branch an attempt pushes; never used again."""
    return f"{prefix}/{ref_part(key.feature)}/{ref_part(key.task)}-{key.number}"


@dataclass(frozen=True)
class AttemptRefs:
    """The refs of one attempt on the remote, below ``root``."""

    root: str
    feature: str
    task: str
    number: int

    @classmethod
    def of(cls, key: AttemptKey, root: str = META_REFS) -> AttemptRefs:
        """Name the refs of an attempt."""
        return cls(root, ref_part(key.feature), ref_part(key.task), key.number)

    def _ref(self, leaf: str) -> str:
        return f"{self.root}/{self.feature}/{self.task}/{self.number}/{leaf}"

    @property
    def start(self) -> str:
        """The lock, and the proof that the agent had begun."""
        return self._ref("start")

    @property
    def transcript(self) -> str:
        """Every event, and the result."""
        return self._ref("transcript")

    @property
    def checkpoint(self) -> str:
        """Unfinished work."""
        return self._ref("checkpoint")


def clashes(new: str, existing: frozenset[str]) -> str | None:
    """Return the existing branch that git cannot hold beside ``new`` (``a`` against ``a/b``)."""
    parts = new.split("/")
    for count in range(1, len(parts)):
        if "/".join(parts[:count]) in existing:
            return "/".join(parts[:count])
    return next((name for name in sorted(existing) if name.startswith(f"{new}/")), None)
