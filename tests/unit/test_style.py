"""The style that no linter checks: sizes, docstrings, names, comments, leftovers."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sources

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTION_LINES = 40
MODULE_LINES = 300
COMMENT_SHARE = 0.12
FEW_COMMENTS = 3  # in a small file they are a large share
VAGUE = {"util", "utils", "manager", "handler", "data", "info"}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

PYTHON = sources.python_names()
HELPERS = [name for name in PYTHON if name.startswith("helpers/")]

# Written in pieces, so that this file does not hold what it looks for.
LEFTOVERS = re.compile(
    r"(?:#|//|<!--).*\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b"
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.})*$\"-])/(?:" + "|".join(("work" + "/", "tmp/bash_" + "jobs", "root" + "/")) + ")"
)
DIRECTIVE = re.compile(r"#(?:!|\s*(?:noqa|type:|mypy:|fmt:|pragma))")
SCRIPT_BLOCK = re.compile(r"^# /// script$.*?^# ///$", re.MULTILINE | re.DOTALL)


@cache
def text(name: str) -> str:
    return (sources.ROOT / name).read_text(encoding="utf-8")


@cache
def definitions(name: str) -> tuple[Definition, ...]:
    return tuple(node for node in ast.walk(ast.parse(text(name))) if isinstance(node, Definition))


def test_modules_are_small() -> None:
    lengths = {name: len(text(name).splitlines()) for name in PYTHON}
    assert not {name: lines for name, lines in lengths.items() if lines > MODULE_LINES}


def test_functions_are_short() -> None:
    lengths = {
        f"{name}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name in PYTHON
        for node in definitions(name)
        if not isinstance(node, ast.ClassDef)
    }
    assert not {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES}


def test_what_is_public_has_a_docstring() -> None:
    assert not [bare for name in HELPERS for bare in _bare(name)]


def _bare(name: str) -> Iterator[str]:
    tree = ast.parse(text(name))
    if not ast.get_docstring(tree):
        yield name
    yield from (f"{name}: {node.name}" for node in _public(tree) if not ast.get_docstring(node))


def _public(scope: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """Classes, functions and methods; not what is private or local to a function."""
    for node in scope.body:
        if not isinstance(node, Definition):
            continue
        if not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)


def test_names_say_what() -> None:
    modules = {name: Path(name).stem for name in PYTHON}
    defined = {f"{name}: {each.name}": each.name for name in PYTHON for each in definitions(name)}
    assert not [where for where, named in (modules | defined).items() if _words(named) & VAGUE]


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_comments_are_few() -> None:
    shares = {name: _comments(SCRIPT_BLOCK.sub("", text(name))) for name in PYTHON}
    assert not {
        name: f"{comments} of {lines}"
        for name, (comments, lines) in shares.items()
        if comments > max(FEW_COMMENTS, COMMENT_SHARE * lines)
    }


def _comments(code: str) -> tuple[int, int]:
    """How many comments there are in how many lines."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    comments = [each.string for each in tokens if each.type == tokenize.COMMENT]
    return sum(not DIRECTIVE.match(each) for each in comments), len(code.splitlines())


def test_nothing_is_left_over() -> None:
    assert not {name: found for name in sources.names() if (found := _leftovers(name))}


def _leftovers(name: str) -> list[str]:
    try:
        content = text(name)
    except UnicodeDecodeError:
        return []  # no text, nothing to read
    return [*LEFTOVERS.findall(content), *MACHINE_PATHS.findall(content)]
