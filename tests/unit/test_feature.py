"""The feature directory, as spec-kit finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.tasks import feature

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "SPECIFY_FEATURE_DIRECTORY"


def put(root: Path, name: str, content: str | bytes = "x") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def code(root: Path, env: dict[str, str] | None = None, branch: str | None = None) -> Code:
    with pytest.raises(UsageError) as caught:
        feature.find(root, env or {}, branch)
    assert caught.value.hint
    return caught.value.code


def point(root: Path, named: str) -> None:
    put(root, ".specify/feature.json", f'{{"feature_directory": "{named}"}}')


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path, "specs/001-a/tasks.md")
    put(tmp_path, "specs/002-b/spec.md")
    put(tmp_path, "specs/003-empty/notes.md")
    return tmp_path


def test_the_environment_comes_first(root: Path) -> None:
    point(root, "specs/001-a")
    found = feature.find(root, {VARIABLE: "specs/002-b"}, "001-a")
    assert (found.name, found.relative) == ("002-b", "specs/002-b")
    assert found.directory == root.resolve() / "specs/002-b"


def test_the_environment_may_be_absolute(root: Path) -> None:
    assert feature.find(root, {VARIABLE: f"{root}/specs/002-b/"}, None).relative == "specs/002-b"


def test_the_pointer_comes_before_the_branch(root: Path) -> None:
    point(root, "./specs/001-a")
    assert feature.find(root, {VARIABLE: " "}, "002-b").relative == "specs/001-a"


def test_the_only_one_is_taken_whatever_the_branch(root: Path) -> None:
    (root / "specs/002-b/spec.md").unlink()
    assert feature.find(root, {}, "main").name == "001-a"


@pytest.mark.parametrize("branch", ["002-b", "feat/002-b"])
def test_among_many_the_branch_decides(root: Path, branch: str) -> None:
    assert feature.find(root, {}, branch).name == "002-b"


@pytest.mark.parametrize("branch", [None, "main", "003-empty", ""])
def test_many_and_none_by_the_branch(root: Path, branch: str | None) -> None:
    assert code(root, branch=branch) is Code.MANY_FEATURES


def test_the_remedy_is_spelled_out(root: Path) -> None:
    with pytest.raises(UsageError) as caught:
        feature.find(root, {}, None)
    assert "001-a, 002-b" in caught.value.message
    assert "SPECIFY_FEATURE_DIRECTORY=specs/001-a" in caught.value.hint


def test_none_at_all(tmp_path: Path) -> None:
    assert code(tmp_path) is Code.NO_FEATURE


@pytest.mark.parametrize("named", ["specs/009-x", "specs/001-a/tasks.md"])
def test_what_is_named_must_be_a_directory(root: Path, named: str) -> None:
    assert code(root, {VARIABLE: named}) is Code.NO_FEATURE


@pytest.mark.parametrize("named", ["..", "/etc", "specs/../..", ".", "specs/out", "a" * 5000])
def test_no_way_out_of_the_repository(root: Path, named: str) -> None:
    (root / "specs/out").symlink_to("/etc")
    assert code(root, {VARIABLE: named}) in {Code.BAD_CONFIG, Code.NO_FEATURE}
    if len(named) < 100:
        assert code(root, {VARIABLE: named}) is Code.BAD_CONFIG


def test_a_link_within_the_repository_will_do(root: Path) -> None:
    (root / "specs/link").symlink_to("001-a")
    assert feature.find(root, {VARIABLE: "specs/link"}, None).relative == "specs/link"


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "null",
        '{"feature_directory": 3}',
        '{"feature_directory": null}',
        '{"feature_directory": "a\\u0000b"}',
        b"\xff\xff",
        "[" * 100_000,
    ],
)
def test_a_broken_pointer_is_named(root: Path, content: str | bytes) -> None:
    put(root, ".specify/feature.json", content)
    with pytest.raises(UsageError) as caught:
        feature.find(root, {}, "001-a")
    assert caught.value.code is Code.BAD_CONFIG
    assert ".specify/feature.json" in caught.value.message


@pytest.mark.parametrize("content", ["{}", '{"feature_directory": ""}'])
def test_an_empty_pointer_points_nowhere(root: Path, content: str) -> None:
    put(root, ".specify/feature.json", content)
    assert feature.find(root, {}, "001-a").name == "001-a"


def test_finding_writes_nothing(root: Path) -> None:
    before = sorted(root.rglob("*"))
    feature.find(root, {VARIABLE: "specs/002-b"}, None)
    assert sorted(root.rglob("*")) == before


def load(root: Path) -> UsageError:
    with pytest.raises(UsageError) as caught:
        feature.load_tasks(feature.find(root, {}, "001-a"))
    return caught.value


def test_tasks_are_loaded_with_their_bytes(root: Path) -> None:
    put(root, "specs/001-a/tasks.md", b"\xef\xbb\xbf- [ ] T001 a\r\n")
    data, found = feature.load_tasks(feature.find(root, {}, "001-a"))
    assert data == b"\xef\xbb\xbf- [ ] T001 a\r\n"
    assert [task.id for task in found.tasks] == ["T001"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", Code.NO_TASKS),
        (b" \n", Code.NO_TASKS),
        (b"# Tasks\n- [ ] no id\n", Code.NO_TASKS),
        (b"\xff\xfe-\x00", Code.NOT_UTF8),
        (b"- [ ] T001 a\n\xe4\n", Code.NOT_UTF8),
        (b"- [ ] T001 a\n" * 200_000, Code.FILE_TOO_LARGE),
    ],
    ids=["empty", "blank", "no task", "utf-16", "latin-1", "large"],
)
def test_what_cannot_be_loaded(root: Path, content: bytes, expected: Code) -> None:
    put(root, "specs/001-a/tasks.md", content)
    error = load(root)
    assert (error.code, "specs/001-a/tasks.md" in error.message) == (expected, True)


def test_the_line_of_a_bad_byte_is_reported(root: Path) -> None:
    put(root, "specs/001-a/tasks.md", b"- [ ] T001 a\nb\xe4\n")
    error = load(root)
    assert error.line == 2
    assert "byte 14" in error.message


def test_no_tasks_file(root: Path) -> None:
    (root / "specs/001-a/tasks.md").unlink()
    put(root, "specs/001-a/spec.md")
    error = load(root)
    assert error.code is Code.NO_TASKS_FILE
    assert "/speckit.tasks" in error.hint


def test_a_directory_is_no_tasks_file(root: Path) -> None:
    (root / "specs/001-a/tasks.md").unlink()
    put(root, "specs/001-a/spec.md")
    put(root, "specs/001-a/tasks.md/x")
    assert load(root).code is Code.NO_TASKS_FILE
