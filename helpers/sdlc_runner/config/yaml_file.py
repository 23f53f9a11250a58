"""Reading our YAML files as leaves with line numbers; the only importer of PyYAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from sdlc_runner.errors import Code, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def documents(text: str, source: str) -> list[object]:
    """Return the documents of a YAML stream that we did not write ourselves."""
    try:
        return list(yaml.safe_load_all(text))
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        raise _broken(source, error) from error


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


def _broken(path: Path | str, error: Exception) -> UsageError:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else None
    where = f"{path}, line {line}" if line else str(path)
    problem = getattr(error, "problem", None) or "it is nested too deeply or malformed"
    return UsageError(Code.BAD_CONFIG, f"{where}: this is not YAML: {problem}.", line=line)
