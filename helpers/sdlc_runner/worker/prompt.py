"""The prompt for one task: short orders, and all of the plan that the task needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdlc_runner.worker import spec_documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask

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
        "You work alone here and nobody answers questions: decide, and say what you decided.",
        "Keep to the plan, the contracts and the constitution below, and to the style of the code.",
        "",
        spec_documents.cut(
            task.text.strip() or task.title, _TASK_LIMIT, f"{spec.feature_dir}/tasks.md"
        ),
    ]
    if done:
        lines += ["", f"Already done, and in the work tree: {', '.join(done)}. Build on it."]
    return "\n".join(lines)


def _files(task: AttemptTask, work: Path) -> str:
    return _list(f"`{name}`: {_state(work, name)}" for name in task.files[:_MOST_FILES])


def _state(work: Path, name: str) -> str:
    path = spec_documents.inside(work, name)
    if path is None:
        return "outside of this repository, leave it alone"
    try:
        return "exists" if path.exists() else "does not exist yet"
    except OSError:  # a name that is too long
        return "does not exist yet"


def _story(spec: AttemptSpec, task: AttemptTask, work: Path) -> str:
    name = f"{spec.feature_dir}/spec.md"
    text = spec_documents.read(work, name) if task.story else None
    found = spec_documents.story(text, task.story) if text and task.story else None
    return spec_documents.cut(found, _STORY_LIMIT, name) if found else ""


def _contracts(spec: AttemptSpec, task: AttemptTask, work: Path) -> str:
    room, texts = _CONTRACTS_LIMIT, []
    for name in spec_documents.contracts(work, spec.feature_dir, task.text):
        text = spec_documents.read(work, name)
        if text is None:
            continue
        if room <= 0:
            texts.append(f"`{name}`: read it yourself.")
            continue
        kept = spec_documents.cut(text.strip(), min(_CONTRACT_LIMIT, room), name)
        room -= len(kept.encode("utf-8", "replace"))
        texts.append(_document(name, kept))
    return "\n\n".join(texts)


def _constitution(work: Path) -> str:
    text = spec_documents.musts(spec_documents.read(work, spec_documents.CONSTITUTION) or "")
    return spec_documents.cut(text, _CONSTITUTION_LIMIT, spec_documents.CONSTITUTION)


def _plan(spec: AttemptSpec, work: Path) -> str:
    name = f"{spec.feature_dir}/plan.md"
    text = (spec_documents.read(work, name) or "").strip()
    return _document(name, spec_documents.cut(text, _PLAN_LIMIT, name)) if text else ""


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
    lines = ["Check your work: run the tests and checks that concern it, and mend what fails."]
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
