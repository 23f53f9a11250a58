"""The permission rules that OpenCode's own configuration needs, added to what is there.

Only where the repository's file restricts the tools that ``/implement`` calls: elsewhere a rule
would take the place of the user's own, because OpenCode lets an object replace a plain "ask".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sdlc_runner.config import jsonc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sdlc_runner.config.jsonc import Node

CALL = "python3 .opencode/sdlc-runner/run.py"
FILES = (  # the one that OpenCode lets win comes first
    ".opencode/opencode.jsonc",
    ".opencode/opencode.json",
    "opencode.jsonc",
    "opencode.json",
)
STEERING = "--set --allow-verify --pod-template --release --context --namespace --backend".split()
"""What decides where an attempt runs, with whose credentials and what: no word of a model's."""
_OPEN = "allow"

Rules = Mapping[str, Mapping[str, str]]
"""A tool → pattern of its calls → what OpenCode decides."""
Insertion = tuple[int, str]


def rules(verbs: Iterable[str]) -> Rules:
    """Return the rules that let a session run ``verbs`` and call the subagent."""
    return {
        "bash": {
            **{f"{CALL} {verb} *": "allow" for verb in verbs},
            **{f"{CALL} *{flag}*": "deny" for flag in STEERING},
        },
        "task": {"async-runner": "allow"},
    }


def merge(text: str, rules: Rules) -> tuple[str, tuple[str, ...]]:
    """Return the file with the rules it lacks, and what was put in; raises ``ValueError``."""
    permission = jsonc.parse(text).get("permission")
    insertions = [] if permission is None else list(_insertions(text, permission, rules))
    for at, new in sorted(insertions, reverse=True):
        text = text[:at] + new + text[at:]
    return text, tuple(new for _, new in insertions)


def take_out(text: str, inserted: tuple[str, ...]) -> str | None:
    """Return the file without what was put in; None if that is not there once any more."""
    for piece in inserted:
        if text.count(piece) != 1:
            return None
        text = text.replace(piece, "")
    return text


def _insertions(text: str, permission: Node, rules: Rules) -> Iterator[Insertion]:
    if permission.text is not None:
        yield from _around(permission, rules)
        return
    missing = {}
    for tool, wanted in rules.items():
        found = permission.get(tool)
        if found is None:
            missing[tool] = wanted
        elif found.text is not None:
            yield from _around(found, wanted)
        else:
            lacking = {key: value for key, value in wanted.items() if found.get(key) is None}
            yield from _at_end(text, found, lacking)
    everything = permission.get("*")
    if everything is not None and everything.text != _OPEN:
        yield from _at_end(text, permission, missing)


def _around(node: Node, rules: Mapping[str, object]) -> Iterator[Insertion]:
    """Make an object of a single word: the word for everything, then the rules."""
    if node.text != _OPEN:
        yield node.start, '{"*": '
        yield node.end, f", {_members(rules, ' ')}}}"


def _at_end(text: str, node: Node, rules: Mapping[str, object]) -> Iterator[Insertion]:
    """Put members behind those of an object, where they win."""
    if not rules or node.members is None:
        return
    if not node.members:
        yield node.start + 1, _members(rules, " ")
        return
    space = _space_before(text, node.members[-1].start)
    if node.comma is not None:
        yield node.comma, f"{space}{_members(rules, space)},"
    else:
        yield node.members[-1].value.end, f",{space}{_members(rules, space)}"


def _members(rules: Mapping[str, object], space: str) -> str:
    texts = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in rules.items())
    return f",{space}".join(texts)


def _space_before(text: str, at: int) -> str:
    """Return the line break and indent before a key, or one blank."""
    line = text.rfind("\n", 0, at)
    indent = text[line + 1 : at]
    if line < 0 or indent.strip():
        return " "
    newline = "\r\n" if text[line - 1 : line] == "\r" else "\n"
    return newline + indent
