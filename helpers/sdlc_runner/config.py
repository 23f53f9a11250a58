"""Settings, and where each came from.

Precedence, stated here once: flag > environment > user's file > repository's file > default.
The user's file is ``$XDG_CONFIG_HOME/sdlc-runner/config.yaml``, the repository's is
``.opencode/sdlc-runner.yaml``. What decides which programs run on this machine is taken from
the user's file or the environment only, never from a repository or a flag.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Any

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.naming import DEFAULT_BRANCH_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

REPOSITORY_FILE = ".opencode/sdlc-runner.yaml"
USER_FILE = "sdlc-runner/config.yaml"
FILE_LIMIT = 64 * 1024
VARIABLE_PREFIX = "SDLC_RUNNER_"


def _setting(
    key: str,
    default: object,
    meaning: str,
    *,
    minimum: float | None = None,
    choices: tuple[str, ...] = (),
    user_only: bool = False,
) -> Any:  # noqa: ANN401
    return dataclass_field(
        default=default,
        metadata={
            "setting": Setting(key, default, meaning, minimum, choices, user_only=user_only),
        },
    )


@dataclass(frozen=True)
class Setting:
    """One setting; its kind is the type of its default."""

    key: str
    default: Any
    meaning: str
    minimum: float | None = None
    choices: tuple[str, ...] = ()
    user_only: bool = False

    @property
    def kind(self) -> str:
        """Its type in words: text, count, number, flag or texts."""
        names = {str: "text", bool: "flag", int: "count", float: "number", tuple: "texts"}
        return names[type(self.default)]

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return VARIABLE_PREFIX + self.key.upper().replace(".", "_")


@dataclass(frozen=True)
class Settings:
    """Every setting, in force."""

    remote: str = _setting("remote", "origin", "git remote that holds the feature branch")
    default_branch: str = _setting(
        "default_branch", "", "branch that is never pushed to; empty: ask the remote"
    )
    backend: str = _setting("backend", "local", "where attempts run", choices=("local",))
    max_parallel: int = _setting("max_parallel", 4, "attempts that run at once", minimum=1)
    parallel_stories: bool = _setting(
        "parallel_stories",
        default=False,
        meaning="user stories may run side by side instead of one after the other",
    )
    branch_prefix: str = _setting(
        "branch.prefix", DEFAULT_BRANCH_PREFIX, "branches are <prefix>/<feature>/<task>-<attempt>"
    )
    clone_depth: int = _setting("clone.depth", 1, "commits an attempt clones; 0: all", minimum=0)
    bundle_size: int = _setting(
        "bundle.size", 5, "small tasks that share an attempt under --bundle", minimum=1
    )
    agent_command: tuple[str, ...] = _setting(
        "agent.command",
        (),
        "program run instead of OpenCode: prompt on stdin, work in the current folder, exit code",
        user_only=True,
    )
    agent_model: str = _setting("agent.model", "", "provider/model for OpenCode; empty: yours")
    limits_run_seconds: float = _setting(
        "limits.run_seconds", 7200.0, "longest run of the agent in one attempt; 0: none", minimum=0
    )
    limits_idle_seconds: float = _setting(
        "limits.idle_seconds", 900.0, "longest silence of the agent; 0: none", minimum=0
    )
    limits_tokens: int = _setting("limits.tokens", 0, "token budget; 0: none", minimum=0)
    limits_cost: float = _setting("limits.cost", 0.0, "US dollars; 0: no limit", minimum=0)
    limits_grace_seconds: float = _setting(
        "limits.grace_seconds", 10.0, "from SIGTERM to SIGKILL when the agent is ended", minimum=0
    )
    checkpoint_seconds: float = _setting(
        "checkpoint.seconds", 300.0, "between two checkpoints of unfinished work", minimum=1
    )
    heartbeat_seconds: float = _setting(
        "heartbeat.seconds", 30.0, "silence after which a heartbeat is sent", minimum=1
    )
    verify_commands: tuple[str, ...] = _setting(
        "verify.commands", (), "shell commands whose exit and output become evidence"
    )
    verify_seconds: float = _setting(
        "verify.seconds", 600.0, "longest run of all verify commands together", minimum=1
    )


SETTINGS: tuple[Setting, ...] = tuple(item.metadata["setting"] for item in fields(Settings))
_NAMES = {item.metadata["setting"].key: item.name for item in fields(Settings)}
_BY_KEY = {setting.key: setting for setting in SETTINGS}


@dataclass(frozen=True)
class Configuration:
    """The settings in force and, for each key, who said so."""

    settings: Settings
    sources: Mapping[str, str]

    def items(self) -> Iterator[tuple[Setting, Any, str]]:
        """Yield each setting with its value and its source."""
        for setting in SETTINGS:
            value = getattr(self.settings, _NAMES[setting.key])
            yield setting, value, self.sources[setting.key]


def user_file(env: Mapping[str, str], home: Path) -> Path:
    """Return where the user's own file is, or would be."""
    base = env.get("XDG_CONFIG_HOME")
    return (home / ".config" if not base else home / base) / USER_FILE


def load(
    root: Path | None, env: Mapping[str, str], home: Path, flags: Mapping[str, Any] | None = None
) -> Configuration:
    """Read all sources; ``flags`` maps keys to values, None meaning not given."""
    values: dict[str, Any] = {setting.key: setting.default for setting in SETTINGS}
    sources = dict.fromkeys(values, "default")
    layers = []
    if root is not None:
        layers.append(("repository file", _load_file(root / REPOSITORY_FILE, trusted=False)))
    layers.append(("user file", _load_file(user_file(env, home), trusted=True)))
    layers.append(("environment", _load_environment(env)))
    layers.append(("flag", {k: v for k, v in (flags or {}).items() if v is not None}))
    for source, layer in layers:
        values.update(layer)
        sources.update(dict.fromkeys(layer, source))
    return Configuration(Settings(**{_NAMES[key]: v for key, v in values.items()}), sources)


def _load_environment(env: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for setting in SETTINGS:
        text = env.get(setting.variable)
        if text:
            found[setting.key] = _convert(setting, _from_text(setting, text), setting.variable)
    return found


def from_flags(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``--set KEY=VALUE`` flags; raises ``bad_config``."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        setting = _known(key, "--set", None)
        if not equals or setting.user_only:
            raise UsageError(
                Code.BAD_CONFIG,
                f"--set {text[:80]}: "
                + ("KEY=VALUE is expected." if not equals else "not by a flag."),
                f"Set it in your own file or in {setting.variable}.",
            )
        found[key] = _convert(setting, _from_text(setting, value), "--set")
    return found


def _from_text(setting: Setting, text: str) -> object:
    try:
        match setting.kind:
            case "texts":
                return shlex.split(text)
            case "flag":
                return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
            case "count":
                return int(text)
            case "number":
                return float(text)
            case _:
                return text
    except ValueError:
        return text


def _load_file(path: Path, *, trusted: bool) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(Code.BAD_CONFIG, f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > FILE_LIMIT:
        raise UsageError(Code.BAD_CONFIG, f"{path} is larger than {FILE_LIMIT // 1024} KiB.")
    from sdlc_runner import yaml_file  # noqa: PLC0415 - PyYAML only where there is a file

    found = {}
    for key, value, line in yaml_file.leaves(data, path, frozenset(_groups())):
        where = f"{path}, line {line}"
        setting = _known(key, where, line)
        if setting.user_only and not trusted:
            raise UsageError(
                Code.BAD_CONFIG,
                f"{where}: {key} may not come from a repository.",
                f"Set it in your own file or in {setting.variable}.",
                line=line,
            )
        found[key] = _convert(setting, value, where, line)
    return found


def _groups() -> Iterator[str]:
    for setting in SETTINGS:
        group, dot, _ = setting.key.partition(".")
        if dot:
            yield group


def _known(key: str, where: str, line: int | None) -> Setting:
    setting = _BY_KEY.get(key)
    if setting is None:
        import difflib  # noqa: PLC0415 - only for the error

        near = difflib.get_close_matches(key, _BY_KEY, 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else "`sdlc-runner config` lists them all."
        raise UsageError(Code.BAD_CONFIG, f"{where}: there is no setting {key}.", hint, line=line)
    return setting


def _convert(setting: Setting, value: object, where: str, line: int | None = None) -> Any:  # noqa: ANN401
    """Check one value as config.schema.json does, and give it the type of the default."""
    problem = problem_with(setting, value)
    if problem:
        raise UsageError(Code.BAD_CONFIG, f"{where}: {setting.key} {problem}.", line=line)
    if setting.kind == "texts":
        return tuple(value)  # type: ignore[arg-type]
    return float(value) if setting.kind == "number" else value  # type: ignore[arg-type]


def problem_with(setting: Setting, value: object) -> str | None:
    """Return what is wrong with a value for a setting, or None."""
    right: bool
    match setting.kind:
        case "text":
            right, wanted = isinstance(value, str), "must be a text"
        case "flag":
            right, wanted = isinstance(value, bool), "must be true or false"
        case "count":
            right, wanted = type(value) is int, "must be a whole number"
        case "number":
            right, wanted = type(value) in (int, float), "must be a number"
        case _:
            right = isinstance(value, list) and all(isinstance(item, str) for item in value)
            wanted = "must be a list of texts"
    if not right:
        return wanted
    if setting.choices and value not in setting.choices:
        return f"must be one of: {', '.join(setting.choices)}"
    if setting.minimum is not None and not value >= setting.minimum:  # type: ignore[operator]
        return f"must be at least {setting.minimum:g}"
    return None
