"""The prompts of the bundle: short, one spelling, and nothing that OpenCode would mangle."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from sdlc_runner import __version__
from sdlc_runner.cli import bundled_launcher
from sdlc_runner.cli.commands import COMMANDS
from sdlc_runner.install import bundle_files, permissions
from support import source_files

HOME = source_files.ROOT / ".opencode"
PROMPTS = sorted(path for path in HOME.glob("[acs]*/**/*.md") if "node_modules" not in path.parts)
LINES = {"agents": 80, "commands": 60, "skills": 150}
CALLED = re.compile(r"(?:run\.py|`RUN) ([a-z]+)")


def front(path: Path) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(path.read_text().split("---\n")[1])
    return found


@pytest.mark.parametrize("path", PROMPTS, ids=lambda path: path.stem)
def test_prompts_are_short_and_say_when_to_use_them(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LINES[path.relative_to(HOME).parts[0]]
    assert front(path)["description"]
    spelled = re.findall(r"(?:python3 )?[^\s`\"]*run\.py\b", text)
    assert {*spelled} <= {permissions.CALL}


@pytest.mark.parametrize("path", PROMPTS, ids=lambda path: path.stem)
def test_prompts_have_nothing_that_opencode_replaces(path: Path) -> None:
    body = path.read_text().split("---\n", 2)[2]
    assert not re.search(r"\$\d", body)
    assert not re.search(r"(?<!\w)@\w", body)  # would attach a file
    assert {*re.findall(r"!`([^`]*)`", body)} <= {"git rev-parse --show-toplevel"}


def test_prompts_call_verbs_that_there_are() -> None:
    called = {name for path in PROMPTS for name in CALLED.findall(path.read_text())}
    assert {"plan", "spawn", "cancel"} <= called <= {*COMMANDS}


def test_the_rules_allow_what_the_commands_call() -> None:
    commands = (path for path in PROMPTS if path.parent.name == "commands")
    called = {name for path in commands for name in CALLED.findall(path.read_text())}
    for verb in called - {"attach"}:  # which the user runs, in a terminal
        assert COMMANDS[verb].in_session, verb


def test_the_bundle_lists_every_file_there_is() -> None:
    presets = "helpers/sdlc_runner/bundle/presets/"
    places = (".opencode/", f"{presets}fork/", f"{presets}speckit/")
    ours = {name for name in source_files.names() if name.startswith(places)}
    listed = {f".opencode/{name}" for name in (*bundle_files._FILES, bundle_files.IMPLEMENT)}  # noqa: SLF001
    assert ours == listed | {f"{presets}{name}" for name in bundle_files._PRESETS}  # noqa: SLF001


def test_presets_have_the_version_of_the_package() -> None:
    for path in source_files.HELPERS.glob("sdlc_runner/bundle/presets/*/preset.yml"):
        preset = yaml.safe_load(path.read_text())["preset"]
        assert (preset["version"], preset["id"]) == (__version__, bundle_files.PRESET)


def test_all_that_say_which_packages_are_needed_say_the_same() -> None:
    wanted = ", ".join(f'"{name}"' for name in bundled_launcher.PACKAGES)
    scripts = [*source_files.HELPERS.glob("*.py"), HOME / "sdlc-runner/run.py"]
    for path in (*scripts, source_files.ROOT / "pyproject.toml"):
        assert f"dependencies = [{wanted}]" in path.read_text(), path.name


def test_links_at_the_top_lead_to_the_real_files() -> None:
    for name in ("agents", "commands"):
        assert (source_files.ROOT / name).readlink() == Path(".opencode", name)
