"""Every setting: its key, default, meaning, bounds, and who may set it.

A new setting is one field here and its use. Environment names, flags, the JSON Schema,
docs/configuration.md, `sdlc-runner config` and what the worker is given are made from the fields.
A group of settings is a dataclass; a key is ``group.name``. The worker has this module as well.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_BRANCH_PREFIX = "sdlc-runner"
VARIABLE_PREFIX = "SDLC_RUNNER_"
_Part = TypeVar("_Part")

ALIASES: Mapping[str, str] = {"bundle.size": "batch.size"}
"""Former keys, still read with a warning. Each has its environment variable as well."""


class SetBy(Enum):
    """Who may set a setting; the value is the note in its description."""

    ANYONE = ""
    CONSENT = "a repository's run here only after `sdlc-runner config --allow-verify`"
    """The repository too, but a local attempt runs it only after the user's consent."""
    USER = "not from a repository"
    """The user's file, the environment or a flag: it decides who is given credentials."""
    USER_FILE = "user's file or environment only"
    """Neither a repository nor a flag: it decides which programs run on this machine."""


@dataclass(frozen=True)
class Setting:
    """One row of the table; its kind is the type of its default."""

    key: str
    default: Any
    meaning: str
    minimum: float | None
    choices: tuple[str, ...]
    pattern: str
    set_by: SetBy

    @property
    def kind(self) -> str:
        """Its type in words."""
        names = {str: "string", bool: "boolean", int: "integer", float: "number", tuple: "strings"}
        return names[type(self.default)]

    @property
    def described(self) -> str:
        """Its meaning, and who may set it."""
        return f"{self.meaning} ({self.set_by.value})" if self.set_by.value else self.meaning

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return variable(self.key)

    def of(self, settings: Settings) -> Any:  # noqa: ANN401
        """Return its value."""
        return attrgetter(self.key)(settings)


def variable(key: str) -> str:
    """Return the environment variable for a key."""
    return VARIABLE_PREFIX + key.upper().replace(".", "_")


def _setting(
    default: object,
    meaning: str,
    *,
    minimum: float | None = None,
    choices: tuple[str, ...] = (),
    pattern: str = "",
    set_by: SetBy = SetBy.ANYONE,
) -> Any:  # noqa: ANN401
    rest = {"minimum": minimum, "choices": choices, "pattern": pattern, "set_by": set_by}
    return field(default=default, metadata={"meaning": meaning, **rest})


# Names that git takes for a name, never for an option; "$" alone would let a newline pass.
_NAME = r"^(?!.*\.lock(?:/|$))[A-Za-z0-9_][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*$(?!\n)"


@dataclass(frozen=True)
class BranchSettings:
    """Where attempts push."""

    prefix: str = _setting(
        DEFAULT_BRANCH_PREFIX, "branches are <prefix>/<feature>/<task>-<attempt>", pattern=_NAME
    )
    onto_feature: bool = _setting(
        default=False,
        meaning="push to the feature branch itself, unless it has moved since the attempt started",
    )


@dataclass(frozen=True)
class CloneSettings:
    """What attempts clone."""

    depth: int = _setting(1, "commits an attempt clones; 0: all", minimum=0)
    url: str = _setting(
        "",
        "URL that attempts clone from and push to; empty: the remote's own",
        set_by=SetBy.USER,
    )


@dataclass(frozen=True)
class BatchSettings:
    """Tasks that share an attempt."""

    size: int = _setting(5, "most small tasks in one attempt", minimum=1)


@dataclass(frozen=True)
class AgentSettings:
    """What does the work."""

    command: tuple[str, ...] = _setting(
        (),
        "program to run instead of OpenCode: it reads the prompt on stdin, works in the current "
        "folder, and reports by its exit code",
        set_by=SetBy.USER_FILE,
    )
    model: str = _setting("", "provider/model for OpenCode; empty: OpenCode's default")


@dataclass(frozen=True)
class Limits:
    """When the worker ends the agent; 0 means no limit. Seconds, tokens, US dollars."""

    run_seconds: float = _setting(
        7200.0, "longest run of the agent in one attempt; 0: no limit", minimum=0
    )
    idle_seconds: float = _setting(900.0, "longest silence of the agent; 0: no limit", minimum=0)
    tokens: int = _setting(0, "token budget of an attempt; 0: no limit", minimum=0)
    cost: float = _setting(0.0, "budget of an attempt in US dollars; 0: no limit", minimum=0)
    grace_seconds: float = _setting(
        10.0, "time between SIGTERM and SIGKILL when the agent is stopped", minimum=0
    )


@dataclass(frozen=True)
class AllLimits(Limits):
    """The agent's limits, and those on getting it to run."""

    queue_seconds: float = _setting(
        86_400.0, "longest wait for quota, a queue or a node; 0: no limit", minimum=0
    )
    start_seconds: float = _setting(
        900.0, "longest time from a created pod to a running one; 0: no limit", minimum=0
    )
    create_seconds: float = _setting(
        30.0,
        "how long a failing image pull, volume or container may keep failing before the attempt "
        "fails",
        minimum=1,
    )
    connect_seconds: float = _setting(
        30.0,
        "how long a pod tries to connect to its git host and model; 0: no check",
        minimum=0,
    )


@dataclass(frozen=True)
class CheckpointSettings:
    """How often unfinished work is saved on the remote."""

    seconds: float = _setting(300.0, "time between two checkpoints of unfinished work", minimum=1)


@dataclass(frozen=True)
class HeartbeatSettings:
    """How often a silent attempt shows that it is alive."""

    seconds: float = _setting(30.0, "silence after which a heartbeat is sent", minimum=1)


@dataclass(frozen=True)
class VerifySettings:
    """What proves the work."""

    commands: tuple[str, ...] = _setting(
        (),
        "shell commands whose exit codes and output become evidence",
        set_by=SetBy.CONSENT,
    )
    seconds: float = _setting(600.0, "longest run of all verify commands together", minimum=1)


@dataclass(frozen=True)
class KubernetesSettings:
    """Where and how Jobs run."""

    context: str = _setting("", "context of the kubeconfig; empty: its current one")
    namespace: str = _setting("", "where attempts run; empty: the context's namespace")
    pod_template: str = _setting(
        "", "name of the PodTemplate in the namespace; empty: the only one of the chart"
    )
    template_file: str = _setting("", "file with a PodTemplate to use instead", set_by=SetBy.USER)
    release: str = _setting(
        "", "folder of a release that `helm template` renders instead", set_by=SetBy.USER
    )
    git_secret: str = _setting(
        "", "Secret with git credentials; empty: the pod template's", set_by=SetBy.USER
    )
    ttl_seconds: int = _setting(172_800, "how long an ended Job and its log are kept", minimum=60)
    requests_per_second: float = _setting(
        100.0, "most requests to the Kubernetes API in a second", minimum=1
    )


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """The settings that an attempt's worker goes by; they travel in its specification."""

    agent: AgentSettings = field(default_factory=AgentSettings)
    limits: Limits = field(default_factory=Limits)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    heartbeat: HeartbeatSettings = field(default_factory=HeartbeatSettings)
    verify: VerifySettings = field(default_factory=VerifySettings)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, in the order in which they are listed."""

    remote: str = _setting("origin", "git remote that has the feature branch", pattern=_NAME)
    default_branch: str = _setting(
        "", "branch that is never pushed to; empty: the remote's default branch"
    )
    backend: str = _setting("local", "where attempts run", choices=("local", "kubernetes"))
    max_parallel: int = _setting(4, "most attempts that run at once", minimum=1)
    parallel_stories: bool = _setting(
        default=False, meaning="run user stories side by side instead of one after the other"
    )
    branch: BranchSettings = field(default_factory=BranchSettings)
    clone: CloneSettings = field(default_factory=CloneSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    agent: AgentSettings = field(default_factory=AgentSettings)
    limits: AllLimits = field(default_factory=AllLimits)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    heartbeat: HeartbeatSettings = field(default_factory=HeartbeatSettings)
    verify: VerifySettings = field(default_factory=VerifySettings)
    kubernetes: KubernetesSettings = field(default_factory=KubernetesSettings)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Make the settings from a value for each key."""
        return build(cls, values)

    def for_worker(self) -> dict[str, Any]:
        """Return the fields of ``WorkerSettings``."""
        values = {setting.key: setting.of(self) for setting in SETTINGS}
        worker = build(WorkerSettings, values)
        return {each.name: getattr(worker, each.name) for each in fields(worker)}


def build(kind: type[_Part], values: Mapping[str, Any], group: str = "") -> _Part:
    """Make a dataclass of settings, groups included, from a value for each key."""
    made, described = {}, cast("Any", kind)
    for each in fields(described):
        key = f"{group}.{each.name}" if group else each.name
        made[each.name] = values[key] if each.metadata else build(group_of(each), values, key)
    return kind(**made)


def _rows(kind: type, group: str = "") -> Iterator[Setting]:
    for each in fields(kind):
        key = f"{group}.{each.name}" if group else each.name
        if each.metadata:
            yield Setting(key, each.default, **each.metadata)
        else:
            yield from _rows(group_of(each), key)


def group_of(each: Field[Any]) -> type[Any]:
    """Return the dataclass of a field that is a group."""
    if not isinstance(each.default_factory, type):
        raise TypeError(each.name)
    return each.default_factory


SETTINGS: tuple[Setting, ...] = tuple(_rows(Settings))
GROUPS = frozenset(
    key.partition(".")[0]
    for key in (*ALIASES, *(setting.key for setting in SETTINGS))
    if "." in key
)
