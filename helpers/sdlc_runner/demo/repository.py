"""The demo's repository: a small spec-kit feature, and a bare remote beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.git.command import Git

if TYPE_CHECKING:
    from pathlib import Path

    from sdlc_runner.orchestrator.project import Project

FEATURE = "001-todo-app"
FOLDER = f"specs/{FEATURE}"
TASKS = f"{FOLDER}/tasks.md"
TICKED_AT_THE_END = frozenset({"T001", "T002", "T003", "T004", "T005", "T006", "T007"})
_TASKS_TEXT = """\
# Tasks: Todo app

## Phase 1: Setup

- [X] T001 [SYNC] Create the project in src/app.py

## Phase 2: Foundations

- [ ] T002 [P] [ASYNC] Write the Todo class in src/todo.py
- [ ] T003 [P] [ASYNC] Write saving in src/storage.py
- [ ] T004 [P] [ASYNC] Describe the commands in docs/usage.md
- [ ] T005 [P] [ASYNC] Check that src/app.py compiles

## Phase 3: User Story 1 - Use it from a shell

- [ ] T006 [P] [ASYNC] [US1] Join both in src/cli.py (depends on T002, T003)
- [ ] T007 [P] [ASYNC] [US1] Write docs/install.md
- [ ] T008 [P] [ASYNC] [US1] Write docs/api.md

## Phase 4: Polish

- [ ] T009 [SYNC] Decide on the name of the program
"""
_SPEC_TEXT = """\
# Feature: Todo app

### User Story 1 - Use it from a shell (Priority: P1)

**Acceptance Scenarios**:

1. **Given** an empty list, **When** I add "milk", **Then** `list` shows "milk"
"""
_FILES = {
    "README.md": "# Todo app\n\nNothing here yet.\n",
    "src/app.py": "print('todo')\n",
    TASKS: _TASKS_TEXT,
    f"{FOLDER}/spec.md": _SPEC_TEXT,
    f"{FOLDER}/plan.md": "# Plan\n\nPython, standard library only.\n",
    ".specify/memory/constitution.md": "# Constitution\n\n- Code MUST be plain.\n",
    ".specify/.gitignore": "feature.json\n",
}


def create(checkout: Path, remote: Path) -> None:
    """Make both, with the feature branch published and checked out."""
    checkout.mkdir(parents=True)
    outside = Git(checkout.parent)
    outside.run("init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git = Git(checkout)
    git.run("init", "--quiet", "--initial-branch=main")
    git.run("config", "user.name", "Demo")
    git.run("config", "user.email", "demo@localhost")
    git.run("remote", "add", "origin", str(remote))
    git.run("commit", "--quiet", "--allow-empty", "-m", "Begin")
    git.run("push", "--quiet", "origin", "main")
    git.run("switch", "--quiet", "-c", FEATURE)
    for name, text in _FILES.items():
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git.run("add", "--all")
    git.run("commit", "--quiet", "-m", "Specify and plan the todo app; T001")
    git.run("push", "--quiet", "--set-upstream", "origin", FEATURE)


def graph(project: Project) -> str:
    """Draw the feature branch as the remote has it."""
    spread = f"main..{project.tracking}"
    return project.repo.git.run("log", "--graph", "--format=%h %s", spread)


def tasks_on_remote(project: Project) -> str:
    """Return the task lines of tasks.md on the remote's feature branch."""
    text = project.repo.read(project.tracking, project.tasks_path) or b""
    return "\n".join(line for line in text.decode().splitlines() if line.startswith("- ["))
