"""An attempt as a record: its specification, and what a backend knows of its end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from sdlc_runner.attempt import naming
from sdlc_runner.config.settings import Limits, WorkerSettings, group_of
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.events.codec import AttemptKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdlc_runner.events.types import Outcome


@dataclass(frozen=True)
class TerminationCause:
    """What ended an attempt from outside, or kept it from beginning, as its backend says.

    It explains that an attempt was interrupted, and its claims of failure with a code in ``also``.
    """

    outcome: Outcome
    code: str
    message: str
    hint: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackendStatus:
    """What the backend knows of an attempt; ``claim`` is the ``result`` event in its log."""

    known: bool = False
    alive: bool = False
    cancelled: bool = False
    elsewhere: bool = False  # it began on another machine, of which this backend knows nothing
    exit_code: int | None = None
    claim: Mapping[str, Any] = field(default_factory=dict)
    cause: TerminationCause | None = None


_LIMITS = "limits"
_WRITTEN_LIMITS = frozenset({"run_seconds", "idle_seconds", "tokens", "cost", "grace_seconds"})
_WIRE = {"agent_model": "model"}


@dataclass(frozen=True)
class AttemptTask:
    """One task as the worker needs it; ``text`` has its continuation lines and sub-bullets."""

    id: str
    title: str
    text: str
    story: str | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class AttemptSpec(WorkerSettings):
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

        What has its default is left out, so that an older worker, which refuses keys that it does
        not know, accepts the rest.
        """
        record: dict[str, Any] = {"key": self.key._asdict()}
        record["tasks"] = [asdict(task) for task in self.tasks]
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name not in {*record, *_GROUPS} and value != each.default:
                record[each.name] = value
        limits = asdict(self.limits)
        record[_LIMITS] = {
            name: limits[name]
            for name, default in asdict(Limits()).items()
            if name in _WRITTEN_LIMITS or limits[name] != default
        }
        for group, name, default, wire in _flat():
            value = getattr(getattr(self, group), name)
            if value != default:
                record[wire] = value
        return json.dumps(record, ensure_ascii=False, indent=1)


_GROUPS = {each.name: group_of(each) for each in fields(WorkerSettings)}


def _flat() -> Iterator[tuple[str, str, object, str]]:
    """Yield group, name, default and JSON key of each setting but the limits."""
    for group, kind in _GROUPS.items():
        for each in fields(kind) if group != _LIMITS else ():
            wire = f"{group}_{each.name}"
            yield group, each.name, each.default, _WIRE.get(wire, wire)


def load(text: str) -> AttemptSpec:
    """Read what ``to_json`` wrote; raises ``UsageError`` for anything else."""
    try:
        record = json.loads(text)
        record["key"] = AttemptKey(**record["key"])
        record["tasks"] = tuple(
            AttemptTask(**{**task, "files": tuple(task["files"])}) for task in record["tasks"]
        )
        parts: dict[str, dict[str, Any]] = {group: {} for group in _GROUPS}
        parts[_LIMITS] = record.pop(_LIMITS)
        for group, name, default, wire in _flat():
            if wire in record:
                value = record.pop(wire)
                parts[group][name] = tuple(value) if isinstance(default, tuple) else value
        settings = {group: kind(**parts[group]) for group, kind in _GROUPS.items()}
        return AttemptSpec(**record, **settings)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            Code.BAD_ARGUMENT, f"the attempt's specification cannot be read: {error}"
        ) from error
