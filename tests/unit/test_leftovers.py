"""What must not stay in the repository: notes to oneself, and paths of one machine."""

from __future__ import annotations

import re

from support import source_files

# Written in pieces, so that this file does not hold what it looks for.
LEFTOVERS = re.compile(
    r"(?:#|//|<!--).*\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b"
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.})*$\"-])/(?:" + "|".join(("work" + "/", "tmp/bash_" + "jobs", "root" + "/")) + ")"
)


def test_nothing_is_left_over() -> None:
    assert not {name: found for name in source_files.names() if (found := _leftovers(name))}


def _leftovers(name: str) -> list[str]:
    try:
        content = (source_files.ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return []  # no text, nothing to read
    return [*LEFTOVERS.findall(content), *MACHINE_PATHS.findall(content)]
