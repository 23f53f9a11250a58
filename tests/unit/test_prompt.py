from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.attempt.spec import AttemptTask
from sdlc_runner.config.settings import VerifySettings
from sdlc_runner.worker import prompt
from sdlc_runner.worker import prompt as worker_prompt
from support.agent_fixtures import SPEC

if TYPE_CHECKING:
    from pathlib import Path

TASK = AttemptTask(
    id="T007",
    title="Write the API",
    text="- [ ] T007 [US2] Write src/api.py as contracts/todo-api.yaml says\n  - with paging",
    story="US2",
    files=("src/api.py", "src/old.py", "../outside.py"),
)
BUNDLE = replace(SPEC, tasks=(TASK, AttemptTask("T008", "Next", "T008 Next")))
STORIES = """# Feature

### User Story 1 - List (Priority: P1)

**Independent Test**: open the list

**Acceptance Scenarios**:

1. **Given** one, **When** x, **Then** y

---

### User Story 2 - Add (Priority: P2)

A long tale.

**Why this priority**: because

**Independent Test**: add one
and look

**Acceptance Scenarios**:

1. **Given** none, **When** added, **Then** one
2. **Given**: odd, **When** z
   goes on

**Notes**: not these

### User Story 20 - Other
"""
CONSTITUTION = """# Constitution
<!-- Everything MUST be commented out -->
### I. Tests
- Every change MUST
  have a test
- Nice code is nice

Prose is free. Errors MUST NOT be hidden! Really.

MUSTARD is no rule.
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    put(work, "specs/001-demo/spec.md", STORIES)
    put(work, "specs/001-demo/plan.md", "# Plan\n\nUse the standard library.\n")
    put(work, "specs/001-demo/data-model.md", "# Model\n")
    put(work, "specs/001-demo/contracts/todo-api.yaml", "openapi: 3\n")
    put(work, "specs/001-demo/contracts/other.yaml", "other: true\n")
    put(work, ".specify/memory/constitution.md", CONSTITUTION)
    put(work, "src/old.py", "")
    return work


def put(work: Path, name: str, text: str) -> None:
    path = work / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def part(packet: prompt.Packet, title: str) -> str:
    found = [part.text for part in packet.parts if part.title.startswith(title)]
    return found[0] if found else ""


def test_the_task_is_there_in_full(work: Path) -> None:
    packet = prompt.build(SPEC, TASK, work)
    assert TASK.text in part(packet, "Your task")
    assert "T007 of the feature 001-demo" in packet.text
    assert packet.bytes == len(packet.text.encode())
    assert sum(part.size for part in packet.parts) < packet.bytes < 5000


def test_only_its_own_story_is_there(work: Path) -> None:
    story = part(prompt.build(SPEC, TASK, work), "The story")
    assert story == (
        "User Story 2 - Add (Priority: P2)\n\n"
        "**Independent Test**: add one\nand look\n\n"
        "**Acceptance Scenarios**:\n\n"
        "1. **Given** none, **When** added, **Then** one\n"
        "2. **Given**: odd, **When** z\n   goes on"
    )


@pytest.mark.parametrize("story", [None, "US3", "US", ""])
def test_without_a_story_there_is_none(work: Path, story: str | None) -> None:
    assert not part(prompt.build(SPEC, replace(TASK, story=story), work), "The story")


def test_only_contracts_that_it_names_are_there(work: Path) -> None:
    contracts = part(prompt.build(SPEC, TASK, work), "Contracts")
    assert contracts == (
        '<document file="specs/001-demo/contracts/todo-api.yaml">\nopenapi: 3\n</document>'
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("as TODO-API says", True),
        ("todo-api.yaml", True),
        ("my-todo-api", False),
        ("todo-apis", False),
        ("todo api", False),
    ],
)
def test_a_contract_is_named_by_whole_words(work: Path, text: str, named: bool) -> None:  # noqa: FBT001
    task = replace(TASK, text=text)
    assert bool(part(prompt.build(SPEC, task, work), "Contracts")) is named


def test_contracts_are_bounded_one_by_one_and_in_all(work: Path) -> None:
    for number in range(5):
        put(work, f"specs/001-demo/contracts/c{number}.md", f"line {number}\n" * 5000)
    task = replace(TASK, text="c0 c1 c2 c3 c4")
    contracts = part(prompt.build(SPEC, task, work), "Contracts")
    assert len(contracts.encode()) < 37_500
    assert contracts.count("cut here") == 3
    assert "`specs/001-demo/contracts/c4.md`: read it yourself." in contracts


def test_the_constitution_gives_its_rules_only(work: Path) -> None:
    rules = part(prompt.build(SPEC, TASK, work), "The constitution")
    assert rules == "- Every change MUST have a test\n- Errors MUST NOT be hidden!"


def test_a_long_plan_is_cut_at_a_heading_and_says_so(work: Path) -> None:
    chapters = "".join(f"## Chapter {number}\n\n{'word ' * 1000}\n\n" for number in range(10))
    put(work, "specs/001-demo/plan.md", chapters)
    plan = part(prompt.build(SPEC, TASK, work), "The plan")
    assert len(plan.encode()) < 24_300
    assert plan.count("## Chapter") == 4
    assert "the rest is in specs/001-demo/plan.md" in plan


def test_a_text_without_lines_is_cut_all_the_same() -> None:
    assert worker_prompt.cut("ü" * 100, 21, "x") == f"{'ü' * 10}\n\n(cut here: the rest is in x)"


def test_files_are_there_or_not(work: Path) -> None:
    assert part(prompt.build(SPEC, TASK, work), "Files").splitlines() == [
        "- `src/api.py`: does not exist yet",
        "- `src/old.py`: exists",
        "- `../outside.py`: outside of this repository, leave it alone",
    ]


def test_it_is_reported_what_to_leave_alone(work: Path) -> None:
    text = part(prompt.build(BUNDLE, TASK, work), "Leave alone")
    for name in ("specs/001-demo/tasks.md", "feature.json", "tasks_meta.json", ".async_state/"):
        assert name in text
    assert "do not commit, push" in text
    assert "T008" in text


def test_it_is_reported_what_was_done_and_how_to_end(work: Path) -> None:
    spec = replace(BUNDLE, verify=VerifySettings(commands=("make test",)))
    packet = prompt.build(spec, BUNDLE.tasks[1], work, ("T007",))
    assert "Already done, and in the work tree: T007." in packet.text
    assert "`make test`" in part(packet, "How to end")


def test_other_documents_are_named_only(work: Path) -> None:
    more = part(prompt.build(SPEC, TASK, work), "More to read")
    assert more == "- `specs/001-demo/spec.md`\n- `specs/001-demo/data-model.md`"


def test_missing_files_are_just_absent(tmp_path: Path) -> None:
    titles = [part.title for part in prompt.build(SPEC, TASK, tmp_path / "absent").parts]
    assert titles == ["Your task", "Files", "Leave alone", "How to end"]


def test_links_that_lead_outside_are_not_followed(work: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("MUST stay secret")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/todo-api.yaml").write_text("stay secret")
    plan = work / "specs/001-demo/plan.md"
    plan.unlink()
    plan.symlink_to(tmp_path / "secret")
    rules = work / ".specify/memory/constitution.md"
    rules.unlink()
    rules.symlink_to("../../../secret")
    contracts = work / "specs/001-demo/contracts"
    contracts.rename(tmp_path / "old")
    contracts.symlink_to(tmp_path / "secrets")
    assert "stay secret" not in prompt.build(SPEC, TASK, work).text


def test_a_link_that_stays_inside_is_followed(work: Path) -> None:
    plan = work / "specs/001-demo/plan.md"
    plan.rename(work / "the-plan.md")
    plan.symlink_to("../../the-plan.md")
    assert "standard library" in part(prompt.build(SPEC, TASK, work), "The plan")


def test_what_is_no_ordinary_file_is_absent(work: Path) -> None:
    plan = work / "specs/001-demo/plan.md"
    plan.unlink()
    os.mkfifo(plan)
    rules = work / ".specify/memory/constitution.md"
    rules.unlink()
    rules.symlink_to(rules.name)
    (work / "specs/001-demo/spec.md").unlink()
    (work / "specs/001-demo/spec.md").mkdir()
    packet = prompt.build(SPEC, TASK, work)
    assert not part(packet, "The plan")
    assert not part(packet, "The story")


def test_a_huge_file_is_read_in_part(work: Path) -> None:
    with (work / "specs/001-demo/plan.md").open("wb") as file:
        file.write(b"line\xff\n")
        file.truncate(10 << 30)
    text = worker_prompt.read(work, "specs/001-demo/plan.md")
    assert text is not None
    assert len(text) == worker_prompt.FILE_LIMIT
    assert text.startswith("line\ufffd\n")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "..", "/etc/passwd"])
def test_names_that_cannot_be_are_absent(work: Path, name: str) -> None:
    assert worker_prompt.read(work, name) is None
    task = replace(TASK, files=(name,))
    assert part(prompt.build(SPEC, task, work), "Files")
