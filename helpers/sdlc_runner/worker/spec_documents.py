"""Pieces of spec-kit's documents for the prompt, read from a work tree that may be hostile."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from sdlc_runner import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_LIMIT = 1024 * 1024
CONSTITUTION = ".specify/memory/constitution.md"
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HEADING = re.compile(r"(#{1,6})\s")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")
_LABEL = re.compile(r"\s*\*\*[^*]+\*\*\s*:|\s*\*\*[^*]+:\*\*")
_SCENARIOS = re.compile(r"\s*\**Acceptance Scenarios", re.IGNORECASE)
_INDEPENDENT = re.compile(r"\s*\**Independent Test", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_MOST_CONTRACTS = 200


def inside(work: Path, relative: str) -> Path | None:
    """Return where a path of the work tree really is; None if that is outside of it."""
    try:
        root = work.resolve()
        path = (root / relative).resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a NUL in the name
        return None
    return path if path == root or root in path.parents else None


def read(work: Path, relative: str, limit: int = FILE_LIMIT) -> str | None:
    """Read a file of the work tree, at most 1 MiB of it; None if there is no such file."""
    path = inside(work, relative)
    try:
        if path is None:
            return None
        with files.open_regular(path) as file:
            if not _is_in(work, file.fileno()):
                return None
            return file.read(limit).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None


def _is_in(work: Path, opened: int) -> bool:
    """Whether an open file is in the work tree: the path to it may lead elsewhere by now."""
    link = f"/proc/self/fd/{opened}"
    if not os.path.lexists(link):
        return True  # no Linux, hence no second container that could change the tree meanwhile
    return os.readlink(link).startswith(f"{work.resolve()}/")  # noqa: PTH115 - not a real path


def cut(text: str, limit: int, name: str) -> str:
    """Cut a text to ``limit`` bytes, at a heading if one is near, else at a line, and say so."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text
    kept = data[:limit].decode("utf-8", "ignore")
    border = kept.rfind("\n#")
    if border < len(kept) // 2:
        border = kept.rfind("\n")
    kept = kept[:border] if border > 0 else kept
    return f"{kept.rstrip()}\n\n(cut here: the rest is in {name})"


def story(spec_text: str, label: str) -> str | None:
    """Return a story's title, independent test and acceptance scenarios; ``label`` is ``US1``."""
    number = re.sub(r"\D", "", label)
    wanted = re.compile(rf"#{{1,6}}\s.*\bUser Story\s+0*{number or 'x'}\b", re.IGNORECASE)
    lines = _COMMENT.sub("", spec_text).splitlines()
    start = next((at for at, line in enumerate(lines) if wanted.match(line)), None)
    if start is None:
        return None
    section = list(_section(lines, start))
    kept = [*_labelled(section, _INDEPENDENT), *_labelled(section, _SCENARIOS)]
    return "\n".join([lines[start].lstrip("# ").strip(), "", *kept]).strip()


def _section(lines: list[str], start: int) -> Iterator[str]:
    """Yield the lines below a heading, up to the next heading that is not below it."""
    level = len(lines[start]) - len(lines[start].lstrip("#"))
    for line in lines[start + 1 :]:
        heading = _HEADING.match(line)
        if heading and len(heading[1]) <= level:
            return
        yield line


def _labelled(lines: list[str], label: re.Pattern[str]) -> Iterator[str]:
    """Yield a label's line and all up to the next label, heading or rule."""
    taking = False
    for line in lines:
        if label.match(line):
            taking = True
        elif taking and _ends_label(line):
            return
        if taking:
            yield line


def _ends_label(line: str) -> bool:
    if _ITEM.match(line):
        return False  # a scenario may well begin in bold
    return bool(_LABEL.match(line) or _HEADING.match(line)) or line.strip() == "---"


def contracts(work: Path, feature_dir: str, task_text: str) -> list[str]:
    """Return the contracts that a task names, by file name with or without its extension."""
    folder = inside(work, f"{feature_dir}/contracts")
    try:
        found = sorted(path.name for path in folder.iterdir()) if folder else []
    except OSError:
        return []
    named = [name for name in found[:_MOST_CONTRACTS] if _names(task_text, name)]
    return [f"{feature_dir}/contracts/{name}" for name in named]


def _names(text: str, file_name: str) -> bool:
    stem = file_name.split(".", maxsplit=1)[0]
    words = [re.escape(word) for word in (file_name, stem) if word]
    return any(re.search(rf"(?<![\w-]){word}(?![\w-])", text, re.IGNORECASE) for word in words)


def musts(text: str) -> str:
    """Return what a constitution demands: its list items and sentences with MUST in them."""
    kept = []
    for block in _blocks(_COMMENT.sub("", text)):
        if _ITEM.match(block):
            pieces = [_ITEM.sub("", block, count=1)]
        else:
            pieces = _SENTENCE_END.split(block)
        kept += [piece.strip() for piece in pieces if re.search(r"\bMUST\b", piece)]
    return "\n".join(f"- {piece}" for piece in dict.fromkeys(kept))


def _blocks(text: str) -> Iterator[str]:
    """Yield paragraphs and list items, each on one line; headings end them."""
    block: list[str] = []
    for line in text.splitlines():
        ends = not line.strip() or _HEADING.match(line)
        if block and (ends or _ITEM.match(line)):
            yield " ".join(block)
            block = []
        if not ends:
            block.append(line.strip() if block else line.rstrip())
    if block:
        yield " ".join(block)
