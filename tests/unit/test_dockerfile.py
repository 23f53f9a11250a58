"""The image has all that the worker imports, and the OpenCode that the tests drive."""

from __future__ import annotations

import json
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sdlc_runner import process
from support import source_files

if TYPE_CHECKING:
    from pathlib import Path

DOCKER = source_files.ROOT / "docker"
OPENCODE = source_files.ROOT / "tests" / "opencode"

IMPORT_ALL = """
import importlib, pkgutil
import sdlc_runner.worker
for module in pkgutil.walk_packages(sdlc_runner.worker.__path__, "sdlc_runner.worker."):
    importlib.import_module(module.name)
    print(module.name)
"""


def copied() -> list[Path]:
    """What the Dockerfile copies of the package, folders included."""
    found = re.findall(r"helpers/\S+", (DOCKER / "Dockerfile.opencode").read_text(encoding="utf-8"))
    return [source_files.ROOT / name for name in found]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package as the image has it."""
    target = tmp_path / "sdlc_runner"
    target.mkdir()
    for path in copied():
        place = target / path.relative_to(source_files.PACKAGE)
        if path.is_dir():
            shutil.copytree(path, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.parent.mkdir(exist_ok=True)
            shutil.copy(path, place)
    return target


def test_the_image_has_all_that_the_worker_imports(package: Path) -> None:
    # -S: without site-packages, so that nothing but the copy can be found.
    imported = process.run([sys.executable, "-S", "-B", "-c", IMPORT_ALL], cwd=package.parent)
    assert imported.ok, imported.error_text
    assert "sdlc_runner.worker.pod" in imported.text.splitlines()


def test_the_builder_is_given_every_module_that_is_copied() -> None:
    ignored = (DOCKER / "Dockerfile.opencode.dockerignore").read_text(encoding="utf-8")
    allowed = {line[1:] for line in ignored.splitlines() if line.startswith("!")}
    # A pattern like **/*.py lets no module of a folder's folders through.
    given = {path if path.is_dir() else path.parent / "*.py" for path in copied()}
    names = {path.relative_to(source_files.ROOT).as_posix() for path in given}
    assert names == {name for name in allowed if name.startswith("helpers/")}
    assert ignored.splitlines()[-1] == "**/__pycache__"


def test_the_image_has_the_version_that_the_tests_pin() -> None:
    pinned = read(OPENCODE / "package.json")["dependencies"]["opencode-ai"]
    assert set(read(DOCKER / "package.json")["optionalDependencies"].values()) == {pinned}


def test_the_locks_agree_on_every_package_that_both_have() -> None:
    image, tests = (read(folder / "package-lock.json")["packages"] for folder in (DOCKER, OPENCODE))
    programs = read(DOCKER / "package.json")["optionalDependencies"]
    assert {f"node_modules/{name}" for name in programs} == set(image) - {""}
    shared = image.keys() & tests.keys() - {""}
    assert shared
    for name in shared:
        assert image[name] == tests[name]


@pytest.mark.parametrize("hashed", [True, False])
def test_a_program_without_a_hash_stops_the_build(tmp_path: Path, hashed: bool) -> None:  # noqa: FBT001
    if shutil.which("node") is None:
        pytest.skip("no Node.js here; the image's build brings its own")
    lock = read(DOCKER / "package-lock.json")
    for package in lock["packages"].values():
        package["integrity"] = "sha512-x" if hashed else ""
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    shutil.copy(DOCKER / "hashed.js", tmp_path)
    done = process.run(["node", str(tmp_path / "hashed.js")])
    assert done.ok is hashed
    assert ("has no hash for node_modules/opencode-linux" in done.error_text) is not hashed


def read(path: Path) -> Any:  # noqa: ANN401
    return json.loads(path.read_text(encoding="utf-8"))
