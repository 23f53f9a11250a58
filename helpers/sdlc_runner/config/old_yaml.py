"""Settings files in YAML, as they were before 0.2: still read, and converted to JSONC."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import yaml

from sdlc_runner.errors import Code, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def leaves(data: bytes, path: Path, groups: frozenset[str]) -> Iterator[tuple[str, object, int]]:
    """Yield (dotted key, value, line) of a mapping whose ``groups`` are mappings themselves."""
    try:
        root = yaml.compose(data.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise UsageError(Code.BAD_CONFIG, f"{path} is not UTF-8.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _broken(path, error) from error
    if root is None or root.tag == "tag:yaml.org,2002:null":
        return
    for key, node in _pairs(root, path):
        line = node.start_mark.line + 1
        if key in groups:
            for inner, leaf in _pairs(node, path):
                yield f"{key}.{inner}", _value(leaf, path), leaf.start_mark.line + 1
        else:
            yield key, _value(node, path), line


def to_jsonc(data: bytes, path: Path, groups: frozenset[str], names: Mapping[str, str]) -> str:
    """Return a YAML settings file as JSON with comments; ``names`` maps former keys to new ones.

    Comments are kept where they stand on lines of their own or behind a plain value.
    """
    lines = data.decode("utf-8").splitlines()
    used, written, group = 0, ["{"], ""
    opened: set[str] = set()
    for key, found, line in leaves(data, path, groups):
        name = names.get(key, key)
        above, inside = _around_header(lines[used : line - 1])
        used = line
        head, _, rest = name.rpartition(".")
        if head in opened and head != group:
            head, rest = "", name  # a group that is closed already: the dotted key is the same
        if group and head != group:
            written.append("  },")
        if head and head != group:
            written += [f"  {comment}" for comment in above]
            above = []
            written.append(f"  {json.dumps(head)}: {{")
            opened.add(head)
        group, indent = head, "    " if head else "  "
        written += [f"{indent}{comment}" for comment in (*above, *inside)]
        behind = _behind(lines[line - 1], found)
        shown = json.dumps(found, ensure_ascii=False)
        written.append(f"{indent}{json.dumps(rest)}: {shown},{behind}")
    written += ["  },"] if group else []
    written += [f"  {comment}" for comment in _comments(lines[used:])]
    return "\n".join([*written, "}", ""])


def _around_header(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the comments above a group's own line, and those between it and its first key."""
    header = next((at for at, line in enumerate(lines) if re.match(r"\s*[^\s#]", line)), 0)
    return list(_comments(lines[:header])), list(_comments(lines[header:]))


def _comments(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if line.lstrip().startswith("#"):
            yield f"//{line.lstrip().lstrip('#')}"


def _behind(line: str, value: object) -> str:
    """Return the comment behind a value on its line, if it cannot be part of the value."""
    match = re.search(r"\s#(.*)$", line)
    return f" //{match[1]}" if match and "#" not in str(value) else ""


def _pairs(node: yaml.Node, path: Path) -> Iterator[tuple[str, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1
        raise UsageError(
            Code.BAD_CONFIG, f"{path}, line {line}: a mapping is expected here.", line=line
        )
    seen: dict[str, int] = {}
    for key_node, value in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise UsageError(
                Code.BAD_CONFIG, f"{path}, line {line}: a key must be a text.", line=line
            )
        key = str(key_node.value)
        if key in seen:
            raise UsageError(
                Code.BAD_CONFIG,
                f"{path}: {key} is on line {seen[key]} and again on {line}.",
                line=line,
            )
        seen[key] = line
        yield key, value


def _value(node: yaml.Node, path: Path) -> object:
    """Build a scalar or a list of scalars; nothing deeper is ever a setting."""
    if isinstance(node, yaml.SequenceNode):
        if all(isinstance(item, yaml.ScalarNode) for item in node.value):
            return [_scalar(item, path) for item in node.value]
        return {}
    return _scalar(node, path) if isinstance(node, yaml.ScalarNode) else {}


def _scalar(node: yaml.Node, path: Path) -> object:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        # PyYAML does not check what a tag such as !!int or !!timestamp stands before.
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> UsageError:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else None
    where = f"{path}, line {line}" if line else str(path)
    problem = getattr(error, "problem", None) or "it is nested too deeply or malformed"
    return UsageError(Code.BAD_CONFIG, f"{where}: this is not YAML: {problem}.", line=line)
