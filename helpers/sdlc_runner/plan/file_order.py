"""Which earlier tasks a task must follow because they name the same file."""

from __future__ import annotations

from collections import defaultdict

from sdlc_runner.tasks import file_mentions

_DEEPEST = 50
_LONGEST = 1000


class FileOrder:
    """Takes tasks in file order; keeps per name only the last task, which follows the others.

    A pattern is looked for, and kept, in the folder that it begins with.
    """

    def __init__(self) -> None:
        """Begin with these."""
        self._last: dict[str, int] = {}
        self._folders: dict[str, int] = {}
        self._inside: defaultdict[str, list[int]] = defaultdict(list)
        self._names: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._globs: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def follow(self, at: int, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return the earlier tasks that share a file with these names, and note the task."""
        earlier = {each for name in names for each in self._earlier(name)}
        for name in names:
            self._note(at, name)
        return tuple(sorted(earlier - {at}))

    def _earlier(self, name: str) -> list[int]:
        above = _ancestors(name)
        found = [self._last[name]] if name in self._last else []
        found += [self._folders[folder] for folder in above if folder in self._folders]
        if name.endswith("/"):
            found += self._inside.get(name, [])
        alike = [self._globs[folder] for folder in above if folder in self._globs]
        if file_mentions.is_glob(name):
            alike.append(self._names.get(above[-1], {}))
        return found + [
            at
            for each in alike
            for other, at in each.items()
            if file_mentions.overlaps(name, other)
        ]

    def _note(self, at: int, name: str) -> None:
        above = _ancestors(name)
        self._last[name] = at
        for folder in above:
            self._inside[folder].append(at)
            self._names[folder][name] = at
        if file_mentions.is_glob(name):
            self._globs[above[-1]][name] = at
        elif name.endswith("/"):
            self._folders[name] = at
            self._inside[name] = [at]


def _ancestors(name: str) -> list[str]:
    """Return the root, ``a/`` and ``a/b/`` for ``a/b/c.py``; a folder is its own ancestor."""
    literal = file_mentions.literal(name)[:_LONGEST]
    ends = [at + 1 for at, character in enumerate(literal) if character == "/"]
    return ["", *(literal[:end] for end in ends[:_DEEPEST])]
