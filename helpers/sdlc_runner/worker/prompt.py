"""The prompt for one task: short orders, and all of the plan that the task needs."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask


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


_TASK_LIMIT = 16_000
_STORY_LIMIT = 6_000
_PLAN_LIMIT = 24_000
_CONTRACT_LIMIT = 12_000
_CONTRACTS_LIMIT = 36_000
_CONSTITUTION_LIMIT = 6_000
_MOST_FILES = 100
_MORE = ("spec.md", "data-model.md", "research.md", "quickstart.md")


@dataclass(frozen=True)
class Part:
    """One section of the prompt."""

    title: str
    text: str

    @property
    def size(self) -> int:
        """Bytes in UTF-8."""
        return len(self.text.encode("utf-8", "replace"))


@dataclass(frozen=True)
class Packet:
    """The prompt, and what it is made of."""

    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The prompt itself."""
        return "\n\n".join(f"# {part.title}\n\n{part.text}" for part in self.parts) + "\n"

    @property
    def bytes(self) -> int:
        """Its size in UTF-8."""
        return len(self.text.encode("utf-8", "replace"))


def build(spec: AttemptSpec, task: AttemptTask, work: Path, done: Sequence[str] = ()) -> Packet:
    """Write the prompt for one task; ``done`` names the tasks of its bundle that came before."""
    parts = [
        Part("Your task", _task(spec, task, done)),
        Part("Files", _files(task, work)),
        Part("The story", _story(spec, task, work)),
        Part("Contracts", _contracts(spec, task, work)),
        Part("The constitution: rules that hold for all code here", _constitution(work)),
        Part("The plan", _plan(spec, work)),
        Part("More to read, if you need it", _more(spec, work)),
        Part("Leave alone", _leave_alone(spec, task)),
        Part("How to end", _ending(spec)),
    ]
    return Packet(tuple(part for part in parts if part.text.strip()))


def _task(spec: AttemptSpec, task: AttemptTask, done: Sequence[str]) -> str:
    lines = [
        f"Implement task {task.id} of the feature {spec.key.feature}: all of it, and nothing else.",
        "You work alone here and no one answers questions: decide, and say what you decided.",
        "Keep to the plan, the contracts and the constitution below, and to the style of the code.",
        "",
        cut(task.text.strip() or task.title, _TASK_LIMIT, f"{spec.feature_dir}/tasks.md"),
    ]
    if done:
        lines += ["", f"Already done, and in the work tree: {', '.join(done)}. Build on it."]
    return "\n".join(lines)


def _files(task: AttemptTask, work: Path) -> str:
    return _list(f"`{name}`: {_state(work, name)}" for name in task.files[:_MOST_FILES])


def _state(work: Path, name: str) -> str:
    path = inside(work, name)
    if path is None:
        return "outside of this repository, leave it alone"
    try:
        return "exists" if path.exists() else "does not exist yet"
    except OSError:  # a name that is too long
        return "does not exist yet"


def _story(spec: AttemptSpec, task: AttemptTask, work: Path) -> str:
    name = f"{spec.feature_dir}/spec.md"
    text = read(work, name) if task.story else None
    found = story(text, task.story) if text and task.story else None
    return cut(found, _STORY_LIMIT, name) if found else ""


def _contracts(spec: AttemptSpec, task: AttemptTask, work: Path) -> str:
    room, texts = _CONTRACTS_LIMIT, []
    for name in contracts(work, spec.feature_dir, task.text):
        text = read(work, name)
        if text is None:
            continue
        if room <= 0:
            texts.append(f"`{name}`: read it yourself.")
            continue
        kept = cut(text.strip(), min(_CONTRACT_LIMIT, room), name)
        room -= len(kept.encode("utf-8", "replace"))
        texts.append(_document(name, kept))
    return "\n\n".join(texts)


def _constitution(work: Path) -> str:
    text = musts(read(work, CONSTITUTION) or "")
    return cut(text, _CONSTITUTION_LIMIT, CONSTITUTION)


def _plan(spec: AttemptSpec, work: Path) -> str:
    name = f"{spec.feature_dir}/plan.md"
    text = (read(work, name) or "").strip()
    return _document(name, cut(text, _PLAN_LIMIT, name)) if text else ""


def _more(spec: AttemptSpec, work: Path) -> str:
    names = [f"{spec.feature_dir}/{name}" for name in _MORE]
    return _list(f"`{name}`" for name in names if _state(work, name) == "exists")


def _leave_alone(spec: AttemptSpec, task: AttemptTask) -> str:
    folder = spec.feature_dir
    others = [other.id for other in spec.tasks if other.id != task.id]
    lines = [
        (
            "git: do not commit, push, stash, reset or switch branches. What you leave in the"
            " work tree is committed for you."
        ),
        (
            f"`{folder}/tasks.md`, `{folder}/tasks_meta.json`, `.specify/feature.json` and"
            " `.async_state/`: they are written elsewhere."
        ),
        "Files that this task does not need: others are at work on other tasks at the same time.",
        "Everything outside of this repository.",
    ]
    if others:
        lines.append(
            f"The other tasks of this bundle ({', '.join(others)}): each has its own turn."
        )
    return _list(lines)


def _ending(spec: AttemptSpec) -> str:
    lines = ["Check your work: run the tests and checks that concern it, and fix what fails."]
    if spec.verify.commands:
        commands = ", ".join(f"`{command}`" for command in spec.verify.commands)
        lines.append(f"Then these are run, and must pass: {commands}.")
    lines += [
        "End with at most five lines: what you changed, what you checked, what is open.",
        "If there was nothing to change, say how you know that the task is already done.",
        "If you cannot finish, leave what is sound, say what is missing and why, and stop.",
    ]
    return _list(lines)


def _document(name: str, text: str) -> str:
    return f'<document file="{name}">\n{text}\n</document>'


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
