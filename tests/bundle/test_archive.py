"""The release archive: unpacked anywhere, it installs, and it is no command itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sdlc_runner import __version__, process
from support import source_files
from support.git import spec_kit_layouts
from support.git.checkouts import work_files

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import Harness


def build(folder: Path) -> Path:
    built = process.run(
        [sys.executable, str(source_files.ROOT / "scripts/archive.py"), str(folder)]
    )
    assert built.ok, built.error_text
    return folder / f"sdlc-runner-{__version__}.tar.gz"


def test_the_archive_installs_what_the_repository_does(harness: Harness, tmp_path: Path) -> None:
    archive = build(tmp_path / "one")
    assert archive.read_bytes() == build(tmp_path / "two").read_bytes()
    spec_kit_layouts.singular(harness)
    before = work_files(harness.checkout)
    assert process.run(["tar", "-xzf", str(archive)], cwd=harness.checkout).ok
    unpacked = harness.checkout / f"sdlc-runner-{__version__}"
    names = {path.name for path in unpacked.rglob("*") if path.is_dir()}
    assert not names & {".opencode", ".claude", ".agents"}
    env = {name: text for name, text in harness.env.items() if name != "PYTHONPATH"}
    done = process.run([str(unpacked / "install"), "."], cwd=harness.checkout, env=env)
    assert done.ok, done.error_text
    assert "/speckit.implement" in done.text.splitlines()[-1]
    ours = {
        name: each for name, each in work_files(harness.checkout).items() if name.startswith(".o")
    }
    assert process.run([str(unpacked / "uninstall"), "."], cwd=harness.checkout, env=env).ok
    process.run(["rm", "-r", str(unpacked)])
    assert work_files(harness.checkout) == before
    assert harness.run("install").code == 0
    again = {
        name: each for name, each in work_files(harness.checkout).items() if name.startswith(".o")
    }
    assert again == ours
