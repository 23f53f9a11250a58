"""Settings, and where each came from.

Precedence, stated here once: flag > environment > user's file > repository's file > default.
The user's file is ``$XDG_CONFIG_HOME/sdlc-runner/config.yaml``, the repository's is
``.opencode/sdlc-runner.yaml``. What decides which programs run on this machine is taken from
the user's file or the environment only, never from a repository or a flag; what decides who is
given credentials is not taken from a repository.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.config import plain_yaml
from sdlc_runner.config.settings import (
    ALIASES,
    GROUPS,
    SETTINGS,
    SetBy,
    Setting,
    Settings,
    variable,
)
from sdlc_runner.errors import Code, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

REPOSITORY_FILE = ".opencode/sdlc-runner.yaml"
USER_FILE = "sdlc-runner/config.yaml"
FILE_LIMIT = 64 * 1024
GREATEST = 10**9  # more is a slip, and no clock takes it


_NOT_REPOSITORY = (SetBy.USER, SetBy.USER_FILE)
_BY_KEY = {setting.key: setting for setting in SETTINGS}


class Configuration(NamedTuple):
    """The settings in force and, for each key, who said so."""

    settings: Settings
    sources: Mapping[str, str]

    def items(self) -> Iterator[tuple[Setting, Any, str]]:
        """Yield each setting with its value and its source."""
        for setting in SETTINGS:
            yield setting, setting.of(self.settings), self.sources[setting.key]


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
    return Configuration(Settings.of(values), sources)


def _load_environment(env: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    former = ((alias, _BY_KEY[key]) for alias, key in ALIASES.items())
    for key, setting in (*former, *_BY_KEY.items()):
        name = variable(key)
        text = env.get(name)
        if text:
            found[setting.key] = _convert(setting, _from_text(setting, text), name)
    return found


def from_flags(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``--set KEY=VALUE`` flags; raises ``bad_config``."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        setting = _known(key, "--set", None)
        if not equals or setting.set_by is SetBy.USER_FILE:
            raise UsageError(
                Code.BAD_CONFIG,
                f"--set {text[:80]}: "
                + ("KEY=VALUE is expected." if not equals else "not by a flag."),
                f"Set it in your own file or in {setting.variable}.",
            )
        found[setting.key] = _convert(setting, _from_text(setting, value), "--set")
    return found


def _from_text(setting: Setting, text: str) -> object:
    try:
        match setting.kind:
            case "texts":
                import shlex  # noqa: PLC0415 - rarely needed

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
    found = {}
    for key, value, line in _leaves(data, path):
        where = f"{path}, line {line}"
        setting = _known(key, where, line)
        if setting.key in found:
            raise UsageError(Code.BAD_CONFIG, f"{where}: {setting.key} was set before.", line=line)
        if setting.set_by in _NOT_REPOSITORY and not trusted:
            raise UsageError(
                Code.BAD_CONFIG,
                f"{where}: {key} may not come from a repository.",
                f"Set it in your own file or in {setting.variable}.",
                line=line,
            )
        found[setting.key] = _convert(setting, value, where, line)
    return found


def _leaves(data: bytes, path: Path) -> Iterable[tuple[str, object, int]]:
    plain = plain_yaml.leaves(data.decode("ascii"), GROUPS) if data.isascii() else None
    if plain is not None:
        return plain
    from sdlc_runner.config import yaml_file  # noqa: PLC0415 - PyYAML only where it is needed

    return yaml_file.leaves(data, path, GROUPS)


def _known(key: str, where: str, line: int | None) -> Setting:
    setting = _BY_KEY.get(ALIASES.get(key, key))
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
        default = list(setting.default) if setting.kind == "texts" else setting.default
        import json  # noqa: PLC0415 - only for the error

        hint = f"Its default is {json.dumps(default)}."
        raise UsageError(Code.BAD_CONFIG, f"{where}: {setting.key} {problem}.", hint, line=line)
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
    if setting.pattern and not re.search(setting.pattern, str(value)):
        return "must be a name that git takes for a branch"
    if setting.minimum is not None and not setting.minimum <= value <= GREATEST:  # type: ignore[operator]
        return f"must be from {setting.minimum:g} to {GREATEST}"
    return None
