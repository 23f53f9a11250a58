"""Settings, and where each came from.

Precedence, stated here once: flag > environment > user's file > repository's file > default.
The user's file is ``$XDG_CONFIG_HOME/sdlc-runner/config.jsonc``, the repository's is
``.opencode/sdlc-runner.jsonc``. ``SetBy`` says which settings a repository or a flag may not set.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner import files
from sdlc_runner.config import jsonc
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
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

REPOSITORY_FILE = ".opencode/sdlc-runner.jsonc"
USER_FILE = "sdlc-runner/config.jsonc"
SCHEMA_KEY = "$schema"
FILE_LIMIT = 64 * 1024
GREATEST = 10**9  # more is a slip, and no clock takes it
MIGRATE = "sdlc-runner config --migrate"

_REPOSITORY = "repository file"
_NOT_REPOSITORY = (SetBy.USER, SetBy.USER_FILE)
_BY_KEY = {setting.key: setting for setting in SETTINGS}
_Leaves = list[tuple[str, object, int]]


class Note(NamedTuple):
    """What the user should change, though it still works."""

    code: str
    message: str
    hint: str


class Configuration(NamedTuple):
    """The settings in force, the source of each key, and what is outdated in the sources."""

    settings: Settings
    sources: Mapping[str, str]
    notes: tuple[Note, ...] = ()

    def items(self) -> Iterator[tuple[Setting, Any, str]]:
        """Yield each setting with its value and its source."""
        for setting in SETTINGS:
            yield setting, setting.of(self.settings), self.sources[setting.key]

    @property
    def needing_consent(self) -> tuple[str, ...]:
        """The commands that the repository sets and this machine runs only after consent."""
        return tuple(
            command
            for setting, value, source in self.items()
            if setting.set_by is SetBy.CONSENT and source == _REPOSITORY
            for command in value
        )


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
    notes: list[Note] = []
    layers = []
    if root is not None:
        layers.append((_REPOSITORY, _load_file(root / REPOSITORY_FILE, notes, trusted=False)))
    layers.append(("user file", _load_file(user_file(env, home), notes, trusted=True)))
    layers.append(("environment", _load_environment(env)))
    layers.append(("flag", {k: v for k, v in (flags or {}).items() if v is not None}))
    for source, layer in layers:
        for key, value in layer.items():
            new = ALIASES.get(key, key)
            if new != key:
                notes.append(_renamed(key, new, source))
            if new == key or new not in layer:
                values[new], sources[new] = value, source
    return Configuration(Settings.of(values), sources, tuple(notes))


def _renamed(key: str, new: str, source: str) -> Note:
    message = f"The setting {key} ({source}) is called {new} now; the old name still works."
    return Note("old_setting", message, f"Use {new}, or {variable(new)} in the environment.")


def _load_environment(env: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for key in (*ALIASES, *_BY_KEY):
        name = variable(key)
        text = env.get(name)
        if text:
            setting = _BY_KEY[ALIASES.get(key, key)]
            found[key] = _convert(setting, _from_text(setting, text), name)
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
                + ("KEY=VALUE is expected." if not equals else "a flag may not set this."),
                f"Set it in your own file or in {setting.variable}.",
            )
        found[key] = _convert(setting, _from_text(setting, value), "--set")
    return found


def _from_text(setting: Setting, text: str) -> object:
    try:
        match setting.kind:
            case "strings":
                return shlex.split(text)
            case "boolean":
                return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case _:
                return text
    except ValueError:
        return text


def _load_file(path: Path, notes: list[Note], *, trusted: bool) -> dict[str, Any]:
    old = path.with_suffix(".yaml")
    data = _read(path)
    if data is not None:
        if os.path.lexists(old):
            message = f"{old} is not read any more, because {path.name} is there."
            notes.append(Note("old_settings_file", message, f"Delete it: `{delete(old)}`."))
        return _checked(_jsonc_leaves(data, path), path, trusted=trusted)
    data = _read(old)
    if data is None:
        return {}
    message = f"{old} is in YAML; settings are in {path.name} now."
    notes.append(Note("old_settings_file", message, f"`{MIGRATE}` converts it."))
    return _checked(_yaml_leaves(data, old), old, trusted=trusted)


def delete(old: Path) -> str:
    """Return the command that deletes a former settings file."""
    return f"rm {shlex.quote(str(old))}"


def _read(path: Path) -> bytes | None:
    try:
        return files.read(path, FILE_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(
            Code.BAD_CONFIG,
            f"{path} cannot be read: {error.strerror}.",
            "Make it a readable file, or remove it.",
        ) from error


def _jsonc_leaves(data: bytes, path: Path) -> _Leaves:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            Code.BAD_CONFIG,
            f"{path}, line {line}: it is not UTF-8.",
            "Save it as UTF-8.",
            line=line,
        ) from error
    if jsonc.is_empty(text):
        return []
    try:
        leaves = jsonc.leaves(text, jsonc.parse(text), GROUPS)
        return [(key, jsonc.value(text, node), line) for key, node, line in leaves]
    except jsonc.JsoncError as error:
        raise UsageError(
            Code.BAD_CONFIG,
            f"{path}, line {error.line}: {error.problem}.",
            f'Write settings as JSON with comments: {{"max_parallel": {Settings().max_parallel}}}',
            line=error.line,
        ) from error


def _yaml_leaves(data: bytes, path: Path) -> _Leaves:
    return list(_old_yaml(path).leaves(data, path, GROUPS))


def _old_yaml(path: Path) -> ModuleType:
    try:
        from sdlc_runner.config import old_yaml  # noqa: PLC0415 - PyYAML only where it is needed
    except ModuleNotFoundError:
        raise UsageError(
            Code.BAD_CONFIG,
            f"{path} cannot be read without the Python package PyYAML; "
            "settings are JSON with comments now.",
            f"`{MIGRATE}` converts it (if that fails: `python3 -m pip install pyyaml`).",
        ) from None
    return old_yaml


def migrate(path: Path, *, trusted: bool) -> Path | None:
    """Convert the YAML file beside ``path`` and return it; None: there is none.

    The YAML file is left for the user to delete; a file at ``path`` is never overwritten.
    """
    old = path.with_suffix(".yaml")
    data = _read(old)
    if data is None:
        return None
    if os.path.lexists(path):
        raise UsageError(
            Code.FOREIGN_FILE,
            f"{path} is there already, so {old} was not converted.",
            f"Copy over what you need, then `{delete(old)}`.",
        )
    _checked(_yaml_leaves(data, old), old, trusted=trusted)
    text: str = _old_yaml(old).to_jsonc(data, old, GROUPS, ALIASES)
    _checked(_jsonc_leaves(text.encode(), path), path, trusted=trusted)
    files.write(path, text, exclusive=True)
    return old


def _checked(leaves: _Leaves, path: Path, *, trusted: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value, line in leaves:
        where = f"{path}, line {line}"
        if key == SCHEMA_KEY:
            continue
        setting = _known(key, where, line)
        if key in found:
            raise UsageError(
                Code.BAD_CONFIG,
                f"{where}: {key} is set twice.",
                "Remove one of the two lines.",
                line=line,
            )
        if setting.set_by in _NOT_REPOSITORY and not trusted:
            raise UsageError(
                Code.BAD_CONFIG,
                f"{where}: a repository may not set {key}.",
                f"Set it in your own file or in {setting.variable}.",
                line=line,
            )
        found[key] = _convert(setting, value, where, line)
    return found


def _known(key: str, where: str, line: int | None) -> Setting:
    setting = _BY_KEY.get(ALIASES.get(key, key))
    if setting is None:
        import difflib  # noqa: PLC0415 - only for the error

        near = difflib.get_close_matches(key, _BY_KEY, 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else "`sdlc-runner config` lists them all."
        raise UsageError(
            Code.BAD_CONFIG, f"{where}: there is no setting {key[:80]}.", hint, line=line
        )
    return setting


def _convert(setting: Setting, value: object, where: str, line: int | None = None) -> Any:  # noqa: ANN401
    """Check one value as config.schema.json does, and give it the type of the default."""
    problem = problem_with(setting, value)
    if problem:
        default = list(setting.default) if setting.kind == "strings" else setting.default
        import json  # noqa: PLC0415 - only for the error

        hint = f"Its default is {json.dumps(default)}."
        raise UsageError(Code.BAD_CONFIG, f"{where}: {setting.key} {problem}.", hint, line=line)
    if setting.kind == "strings":
        return tuple(value)  # type: ignore[arg-type]
    return float(value) if setting.kind == "number" else value  # type: ignore[arg-type]


def problem_with(setting: Setting, value: object) -> str | None:
    """Return what is wrong with a value for a setting, or None."""
    right: bool
    match setting.kind:
        case "string":
            right, wanted = isinstance(value, str), "must be a string"
        case "boolean":
            right, wanted = isinstance(value, bool), "must be true or false"
        case "integer":
            right, wanted = type(value) is int, "must be a whole number"
        case "number":
            right, wanted = type(value) in (int, float), "must be a number"
        case _:
            right = isinstance(value, list) and all(isinstance(item, str) for item in value)
            wanted = "must be a list of strings"
    if not right:
        return wanted
    if setting.choices and value not in setting.choices:
        return f"must be one of: {', '.join(setting.choices)}"
    if setting.pattern and not re.search(setting.pattern, str(value)):
        return "must be a valid branch name"
    if setting.minimum is not None and not setting.minimum <= value <= GREATEST:  # type: ignore[operator]
        return f"must be from {setting.minimum:g} to {GREATEST}"
    return None
