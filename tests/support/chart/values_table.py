"""The words of values.yaml, in README.md as a table and in values.schema.json as descriptions.

usage: python tests/support/chart/values_table.py    writes both
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART = Path(__file__).resolve().parents[3] / "charts" / "agentic-sdlc-agent-runner"
VALUES = CHART / "values.yaml"
SCHEMA = CHART / "values.schema.json"
README = CHART / "README.md"
BEGIN, END = (
    "<!-- values: written by tests/support/chart/values_table.py -->\n",
    "<!-- end of values -->",
)

_LINE = re.compile(r"(?P<indent> *)(?:# ?(?P<comment>.*)|(?P<key>[\w.-]+):)")


class Value(NamedTuple):
    """One documented value: its dotted path, what its comment says, and its default."""

    path: str
    words: str
    default: Any


def values() -> list[Value]:
    """Every value that has a comment beginning with ``--``, in the file's order."""
    text = VALUES.read_text(encoding="utf-8")
    tree = yaml.safe_load(text)
    return [Value(path, words, _at(tree, path)) for path, words in _commented(text)]


def _commented(text: str) -> Iterator[tuple[str, str]]:
    parents: list[tuple[int, str]] = []
    words: list[str] = []
    for line in text.splitlines():
        found = _LINE.match(line)
        if not found:
            words = []
        elif (comment := found["comment"]) is not None:
            words = [comment[3:]] if comment.startswith("-- ") else [*words, comment]
        else:
            indent = len(found["indent"])
            parents = [each for each in parents if each[0] < indent] + [(indent, found["key"])]
            if words:
                yield ".".join(key for _, key in parents), " ".join(words)
            words = []


def _at(tree: Any, path: str) -> Any:  # noqa: ANN401
    for key in path.split("."):
        tree = tree[key]
    return tree


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with every value's words as its description, and with what is required.

    Helm takes a null for "not there": lists and mappings may be, nothing else.
    """
    schema = json.loads(json.dumps(schema))
    optional = {value.path for value in values() if isinstance(value.default, (list, dict))}
    _require(schema, optional | {"global"})
    for value in values():
        node = schema
        for key in value.path.split("."):
            node = node["properties"][key]
        # in draft-07 nothing beside a "$ref" counts, so it is wrapped
        if "$ref" in node:
            node["allOf"] = [{"$ref": node.pop("$ref")}]
        node["description"] = value.words
    return schema


def _require(node: dict[str, Any], optional: set[str], path: str = "") -> None:
    keys = node.get("properties", {})
    if keys:
        node["required"] = [key for key in keys if path + key not in optional]
    for key, inner in keys.items():
        if path + key not in optional:
            _require(inner, optional, f"{path}{key}.")


def schema_text() -> str:
    """Return values.schema.json as it should be."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return json.dumps(described(schema), indent=2) + "\n"


def readme_text() -> str:
    """Return README.md with the table as it should be."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + _table() + "\n" + END + rest.partition(END)[2]


def _table() -> str:
    rows = [f"| `{each.path}` | {_default(each.default)} | {each.words} |" for each in values()]
    return "\n".join(["| value | default | |", "| --- | --- | --- |", *rows]) + "\n"


def _default(value: Any) -> str:  # noqa: ANN401
    return f"`{json.dumps(value, ensure_ascii=False)}`"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    README.write_text(readme_text(), encoding="utf-8")
