"""An attempt as a plain record: all that the worker is told, in one JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields

from sdlc_runner.attempt import naming
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.events.codec import AttemptKey


@dataclass(frozen=True)
class AttemptTask:
    """One task as the worker needs it; ``text`` has its continuation lines and sub-bullets."""

    id: str
    title: str
    text: str
    story: str | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """When the worker ends the agent; 0 means no limit. Seconds, tokens, US dollars."""

    run_seconds: float = 7200
    idle_seconds: float = 900
    tokens: int = 0
    cost: float = 0
    grace_seconds: float = 10


@dataclass(frozen=True)
class AttemptSpec:
    """One attempt: what to do, from where, until when, and where to push it."""

    key: AttemptKey
    identity: str
    tasks: tuple[AttemptTask, ...]
    remote: str
    feature_dir: str
    feature_branch: str
    base: str
    branch: str
    lease: str = ""
    """The commit that ``branch`` must be at when it is pushed; empty: it must not exist."""
    backend: str = "local"
    meta_refs: str = naming.META_REFS
    clone_depth: int = 1
    from_checkpoint: str | None = None
    agent_command: tuple[str, ...] = ()
    model: str | None = None
    limits: Limits = field(default_factory=Limits)
    checkpoint_seconds: float = 300
    heartbeat_seconds: float = 30
    verify_commands: tuple[str, ...] = ()
    verify_seconds: float = 600
    connect_seconds: float = 30
    author_name: str = "Agentic SDLC Runner"
    author_email: str = "sdlc-runner@localhost"
    origin: str = ""
    """The user's own remote, without credentials; attempts may reach it by another URL."""

    @property
    def refs(self) -> naming.AttemptRefs:
        """Return the attempt's refs on the remote."""
        return naming.AttemptRefs.of(self.key, self.meta_refs)

    @property
    def task_ids(self) -> tuple[str, ...]:
        """Return the ids of all tasks, in order."""
        return tuple(task.id for task in self.tasks)

    def to_json(self) -> str:
        """Return the file's text.

        What is as by default is left out: so an older worker takes it, which refuses what it
        does not know.
        """
        usual = {each.name for each in fields(self) if getattr(self, each.name) == each.default}
        told = {**asdict(self), "key": self.key._asdict()}
        record = {name: value for name, value in told.items() if name not in usual}
        return json.dumps(record, ensure_ascii=False, indent=1)


def load(text: str) -> AttemptSpec:
    """Read what ``to_json`` wrote; raises ``UsageError`` for anything else."""
    try:
        record = json.loads(text)
        record["key"] = AttemptKey(**record["key"])
        record["tasks"] = tuple(
            AttemptTask(**{**task, "files": tuple(task["files"])}) for task in record["tasks"]
        )
        record["limits"] = Limits(**record["limits"])
        for name in ("agent_command", "verify_commands"):
            record[name] = tuple(record.get(name, ()))
        return AttemptSpec(**record)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            Code.BAD_ARGUMENT, f"the attempt's specification cannot be read: {error}"
        ) from error
