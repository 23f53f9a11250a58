"""Every ``sdlc-runner …`` in a text of the code is a call that the parser accepts."""

from __future__ import annotations

import ast
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.cli.commands import COMMANDS
from sdlc_runner.cli.parser import Arguments, build_parser
from support import source_files

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMED = re.compile(r"`sdlc-runner ([^`]+)`|\A(?:→ )?sdlc-runner (.+)\Z")
PACKAGE = source_files.HELPERS / "sdlc_runner"
PARSER = build_parser(COMMANDS)


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield every text of a module, with T001 where a word is put in."""
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values}
            yield _with_task(node)
        elif isinstance(node, ast.Constant) and id(node) not in parts:
            yield str(node.value)


def _with_task(text: ast.JoinedStr) -> str:
    found = ""
    for part in text.values:
        if isinstance(part, ast.Constant):
            found += str(part.value)
        elif found.endswith(" "):
            found += "T001"
    return found


def calls() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            for match in NAMED.finditer(text):
                words = re.sub(r"\{\w+\}|TASK", "T001", match[1] or match[2])
                if not words.startswith("T001"):  # the command itself is put in
                    yield str(path.relative_to(PACKAGE)), words


CALLS = sorted(set(calls()))


def test_the_texts_are_found() -> None:
    assert len(CALLS) > 40


@pytest.mark.parametrize(("module", "words"), CALLS)
def test_a_command_in_a_text_is_accepted(
    module: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        PARSER.parse_args(shlex.split(words), namespace=Arguments())
    except SystemExit:
        pytest.fail(f"{module}: sdlc-runner {words}: {capsys.readouterr().err}")
