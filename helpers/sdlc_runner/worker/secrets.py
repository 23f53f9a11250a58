"""Which texts are secret: values of the environment, and files that may change meanwhile."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlc_runner.git.remote_url import RemoteUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


_NAME = re.compile(
    r"(?:\A|_|-|API|ACCESS|PRIVATE|SECRET|AUTH)"
    r"(?:KEY|TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|PAT|AUTHORIZATION)\Z",
    re.IGNORECASE,
)
_PUBLIC = re.compile(r"PUBLIC_?KEY\Z", re.IGNORECASE)
_KEY = re.compile(r"KEY\Z", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]{1,11}\Z")
_IN_FILES = re.compile(r"://[^:/@\s]*:([^@\s]+)@|\bpassword\s+(\S+)")  # git-credentials, netrc
_PAIR = re.compile(r'"([^"\n]{1,80})"\s*:\s*"((?:[^"\\\n]|\\.)+)"')
_REFERENCE = re.compile(r"\{(env|file):([^{}]+)\}")
_FILE_LIMIT = 65_536
_NO_SECRETS = frozenset({"type", "expires"})


def secrets_from(env: Mapping[str, str], files: Iterable[Path]) -> tuple[str, ...]:
    """Collect the secrets of an environment and of credential files; unreadable files have none."""
    found = [value for name, value in env.items() if _is_secret(name, value)]
    found += _inner(env.get("OPENCODE_AUTH_CONTENT", ""), lambda name: name not in _NO_SECRETS)
    found += _inner(env.get("OPENCODE_CONFIG_CONTENT", ""), _is_secret_name)
    return tuple(dict.fromkeys(text for text in [*found, *in_files(files)] if text.strip()))


def in_files(files: Iterable[Path]) -> tuple[str, ...]:
    """Collect the secrets in credential files; unreadable files have none."""
    return tuple(text for file in files for text in _in_file(file) if text.strip())


def in_url(url: str) -> tuple[str, ...]:
    """Return the password in a URL."""
    password = RemoteUrl.parse(url).password
    return (password,) if password else ()


def of_user(env: Mapping[str, str]) -> tuple[str, ...]:
    """Collect what the user's own files hold: OpenCode's keys, and passwords for git."""
    home = Path(env.get("HOME") or "/nonexistent")
    data = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
    settings = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    found = []
    for file in (data / "opencode" / "auth.json", home / ".git-credentials", home / ".netrc"):
        found += _in_file(file)
    for name in ("config.json", "opencode.json", "opencode.jsonc"):
        found += _in_settings(settings / "opencode" / name, env)
    return tuple(text for text in found if text.strip())


def _in_settings(file: Path, env: Mapping[str, str]) -> Iterator[str]:
    """Yield the secrets of OpenCode's settings, which may have comments, and what they refer to."""
    for name, value in _PAIR.findall(_read(file)):
        for kind, what in _REFERENCE.findall(value) if _is_secret_name(name) else ():
            yield env.get(what, "") if kind == "env" else _read(_named(file, what)).strip()
        if _is_secret(name, value) and not _REFERENCE.search(value):
            yield from (value, value.rpartition(" ")[2])


def _named(file: Path, name: str) -> Path:
    """Find a file as OpenCode does: from the home folder, or beside the settings."""
    try:
        return file.parent / Path(name).expanduser()
    except RuntimeError:
        return file.parent / name


def _is_secret_name(name: str) -> bool:
    return bool(_NAME.search(name)) and not _PUBLIC.search(name)


def _is_secret(name: str, value: str) -> bool:
    if not _is_secret_name(name):
        return False
    if _KEY.search(name) and _WORD.match(value):
        return False  # SORT_KEY=created: masking it would spoil every log
    return not (value.startswith("/") and Path(value).exists())


def _inner(text: str, wanted: Callable[[str], bool]) -> list[str]:
    """Return the strings inside of a JSON text whose names are wanted."""
    try:
        return list(_strings(json.loads(text), "", wanted))
    except (ValueError, RecursionError):
        return []


def _strings(value: Any, name: str, wanted: Callable[[str], bool]) -> Iterator[str]:  # noqa: ANN401
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, key, wanted)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, name, wanted)
    elif isinstance(value, str) and wanted(name) and not value.startswith("{"):
        yield value
        if value.lower().startswith("bearer "):
            yield value.split()[-1]


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_FILE_LIMIT).decode("utf-8", "surrogateescape")
    except (OSError, ValueError):
        return ""


def _in_file(file: Path) -> list[str]:
    text = _read(file)
    found = [text, *_inner(text, lambda name: name not in _NO_SECRETS)]
    for match in _IN_FILES.finditer(text):
        found += [group for group in match.groups() if group]
    return found


_FILE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NO_SECRET_FILES = frozenset({"username", "known_hosts"})
# A cloud's region or a gateway's address stands among model keys, and in many a source file.
_PUBLIC_FILE = re.compile(r"(?:REGION|ENDPOINT|URL|HOST|PROJECT|LOCATION|VERSION|PROFILE|MODEL)\Z")

State = tuple[tuple[str, int, int, int], ...]


class SecretFiles:
    """Reads the files of folders again when one of them has changed."""

    def __init__(self, *folders: Path) -> None:
        """Read nothing yet; a folder need not be there."""
        self._folders = folders
        self._seen: State = ()

    def news(self) -> tuple[str, ...]:
        """Return the secrets of all files if any has changed since the last call, else nothing."""
        state = tuple(self._state())
        if state == self._seen:
            return ()
        self._seen = state
        return in_files(Path(path) for path, *_ in state)

    def _state(self) -> Iterator[tuple[str, int, int, int]]:
        for folder in self._folders:
            for name in names(folder):
                path = os.path.join(folder, name)  # noqa: PTH118 - asked before every line
                if name in _NO_SECRET_FILES or _PUBLIC_FILE.search(name):
                    continue
                try:
                    found = os.stat(path)  # noqa: PTH116 - the same
                except OSError:
                    continue
                yield path, found.st_ino, found.st_mtime_ns, found.st_size


def environment(folder: Path) -> dict[str, str]:
    """Return what a folder of files says as environment variables: name and content."""
    found = {}
    for name in filter(_FILE_NAME.match, names(folder)):
        try:
            text = (folder / name).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            continue
        found[name] = text.rstrip("\r\n").replace("\0", "")
    return found


def names(folder: Path) -> list[str]:
    """List a folder, without the links by which Kubernetes replaces a volume's files at once."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith(".."))  # noqa: PTH208
    except OSError:
        return []
