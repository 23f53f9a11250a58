"""``scripts/demo`` works from a fresh clone with Python and git, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import source_files

STEPS = (
    *("spec-kit feature", "sdlc-runner plan", "sdlc-runner run", "sdlc-runner status"),
    *("merged, and ticked off", "What you saw", "Next, in your own"),
)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone of this repository has: no environment, no caches."""
    root = tmp_path_factory.mktemp("fresh") / "clone"
    for name in source_files.names():
        if name.startswith(("helpers/", "scripts/")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source_files.ROOT / name, root / name)
    return root


def demo(fresh: Path, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run it as a stranger would: an empty home, and only python3 and the system's programs."""
    for name in ("bin", "home", "tmp"):
        (folder / name).mkdir()
    # PyYAML is not installed for this one.
    (folder / "bin/python3").write_text(f'#!/bin/sh\nexec {_base_python()} -s -B "$@"\n')
    (folder / "bin/python3").chmod(0o755)
    env = {
        "HOME": str(folder / "home"),
        "PATH": f"{folder / 'bin'}:{os.defpath}:{Path(str(shutil.which('git'))).parent}",
        "TMPDIR": str(folder / "tmp"),
    }
    argv = [str(fresh / "scripts/demo"), *args]
    return subprocess.run(argv, cwd=folder, env=env, check=False, capture_output=True, text=True)


def _base_python() -> str:
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")


def times(fresh: Path) -> dict[Path, int]:
    """When each file was written, Python's own cache left out."""
    files = (path for path in fresh.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.slow
def test_plays_the_whole_way_and_leaves_nothing(fresh: Path, tmp_path: Path) -> None:
    before = times(fresh)
    began = time.monotonic()
    done = demo(fresh, tmp_path)
    assert time.monotonic() - began < 20
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    for step in STEPS:
        assert step in shown
    for number in range(1, 6):
        assert re.search(rf"── {number}\. ", shown)
    for task, word in {"T002": "succeeded", "T005": "no_change", "T008": "conflict"}.items():
        assert re.search(rf"{task}\b.*{word}", shown), task
    assert "Merge T002" in shown
    assert "- [X] T006" in shown
    assert "- [ ] T008" in shown
    assert "Traceback" not in shown
    assert not list((tmp_path / "tmp").iterdir())
    assert not list((tmp_path / "home").iterdir())
    assert times(fresh) == before


@pytest.mark.slow
def test_is_kept_when_asked_and_goes_on_from_there(fresh: Path, tmp_path: Path) -> None:
    done = demo(fresh, tmp_path, "--keep")
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "tmp").iterdir()
    assert f"cd {folder}/todo-app" in done.stdout + done.stderr
    log = ["git", "log", "--oneline", "--all"]
    shown = subprocess.run(log, cwd=folder / "todo-app", check=True, capture_output=True)
    assert b"Merge T002" in shown.stdout


def test_an_unknown_argument_is_refused(fresh: Path, tmp_path: Path) -> None:
    done = demo(fresh, tmp_path, "--nonsense")
    assert done.returncode == 2
    assert not list((tmp_path / "tmp").iterdir())
