"""Which earlier tasks a task must follow because they name the same file."""

from __future__ import annotations

from dataclasses import dataclass, field

from sdlc_runner import files


@dataclass(slots=True)
class FileOrder:
    """Takes tasks in file order; keeps per name only those that nobody follows yet."""

    _last: dict[str, int] = field(default_factory=dict)
    _folders: dict[str, int] = field(default_factory=dict)
    _inside: dict[str, list[int]] = field(default_factory=dict)
    _globs: dict[str, int] = field(default_factory=dict)

    def follow(self, at: int, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return the earlier tasks that share a file with these names, and note the task."""
        earlier = {each for name in names for each in self._earlier(name)}
        for name in names:
            self._note(at, name)
        return tuple(sorted(earlier - {at}))

    def _earlier(self, name: str) -> list[int]:
        found = [self._last[name]] if name in self._last else []
        found += [self._folders[each] for each in _ancestors(name) if each in self._folders]
        found += [at for glob, at in self._globs.items() if files.overlaps(glob, name)]
        if name.endswith("/"):
            found += self._inside.get(name, [])
        if files.is_glob(name):
            found += [at for each, at in self._last.items() if files.overlaps(name, each)]
        return found

    def _note(self, at: int, name: str) -> None:
        self._last[name] = at
        for folder in _ancestors(name):
            self._inside.setdefault(folder, []).append(at)
        if files.is_glob(name):
            self._globs[name] = at
        elif name.endswith("/"):
            self._folders[name] = at
            self._inside[name] = [at]


def _ancestors(name: str) -> list[str]:
    """Return ``a/`` and ``a/b/`` for ``a/b/c.py``; a folder is its own ancestor."""
    ends = [at + 1 for at, character in enumerate(name[:1000]) if character == "/"]
    return [name[:end] for end in ends[:50]]
