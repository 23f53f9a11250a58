"""Settings files of the real program: JSONC, and former YAML files with and without PyYAML."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import Harness, Result

TASKS = "- [ ] T001 [ASYNC] Write `one.txt`\n"
OLD, NEW = ".opencode/sdlc-runner.yaml", ".opencode/sdlc-runner.jsonc"
NO_YAML = """
import sys
sys.modules["yaml"] = None
"""


def values(done: Result) -> list[tuple[object, ...]]:
    return [(event["key"], event["value"], event["source"]) for event in done.of("setting")]


@pytest.fixture
def without_pyyaml(harness: Harness) -> None:
    """Have every Python that the harness starts find no PyYAML."""
    folder = harness.folder / "no-yaml"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(NO_YAML)
    paths = [str(folder), harness.env.get("PYTHONPATH", "")]
    harness.env["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)


def test_an_old_file_is_read_with_a_warning_and_converted(harness: Harness) -> None:
    harness.tasks(TASKS)
    harness.write(OLD, "# ours\nmax_parallel: 7\nbundle:\n  size: 2\n")
    user: Path = harness.folder / "config/sdlc-runner/config.yaml"
    user.parent.mkdir(parents=True)
    user.write_text("clone: {depth: 8}\n")
    done = harness.run("plan")
    assert done.code == 0
    assert [event["code"] for event in done.of("warning")] == [
        "old_settings_file",
        "old_settings_file",
        "old_setting",
    ]
    before = values(harness.run("config"))
    converted = harness.run("config", "--migrate")
    assert converted.code == 0
    assert [event["name"] for event in converted.of("installed")] == [
        str(harness.checkout / NEW),
        str(user.with_suffix(".jsonc")),
    ]
    assert "// ours" in (harness.checkout / NEW).read_text()
    verdict = converted.of("summary")[0]["verdict"]
    assert f"rm {harness.checkout / OLD} && rm {user}" in verdict
    stale = harness.run("config")
    assert values(stale) == before
    assert [event["code"] for event in stale.of("warning")] == ["old_settings_file"] * 2
    again = harness.run("config", "--migrate")
    assert (again.code, again.error["code"]) == (2, "foreign_file")
    (harness.checkout / OLD).unlink()
    user.unlink()
    clean = harness.run("config")
    assert (values(clean), clean.of("warning")) == (before, [])
    assert harness.run("config", "--migrate").of("summary")[0]["counts"] == {"files": 0}


@pytest.mark.usefixtures("without_pyyaml")
def test_without_pyyaml_an_old_file_is_never_passed_over(harness: Harness) -> None:
    harness.tasks(TASKS)
    harness.write(OLD, "max_parallel: 7\n")
    for argv in (["plan"], ["status"], ["config"], ["config", "--migrate"]):
        done = harness.run(*argv)
        assert (done.code, done.error["code"]) == (2, "bad_config")
        assert "sdlc-runner.yaml" in done.error["message"]
        assert "config --migrate" in done.error["hint"]
    assert not (harness.checkout / NEW).exists()
    harness.write(NEW, '{"max_parallel": 6}')
    done = harness.run("plan")
    assert (done.code, [event["code"] for event in done.of("warning")]) == (
        0,
        ["old_settings_file"],
    )


@pytest.mark.usefixtures("without_pyyaml")
def test_jsonc_needs_no_pyyaml(harness: Harness) -> None:
    harness.tasks(TASKS)
    harness.write(NEW, '// ours\n{"max_parallel": 6, /* … */ "verify": {"commands": ["true",],},}')
    shown = {event["key"]: event["value"] for event in harness.run("config").of("setting")}
    assert (shown["max_parallel"], shown["verify.commands"]) == (6, ["true"])


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ('{\n"max_paralel": 3}', 2, "max_parallel"),
        ('{"clone": {\n"depth": "all"}}', 2, "1"),
        ('{\n"max_parallel": 1,\n"max_parallel": 2}', 3, ""),
        ('{\n"max_parallel" 1}', 2, ""),
        ('{"agent": {"command": ["evil"]}}', 1, "SDLC_RUNNER_AGENT_COMMAND"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(
    harness: Harness, text: str, line: int, hint: str
) -> None:
    harness.tasks(TASKS)
    harness.write(NEW, text)
    done = harness.run("plan")
    assert (done.code, done.error["code"], done.error["line"]) == (2, "bad_config", line)
    assert f"{harness.checkout / NEW}, line {line}" in done.error["message"]
    assert hint in done.error.get("hint", "")


@pytest.mark.timeout(30)
def test_a_pipe_in_place_of_the_file_is_refused(harness: Harness) -> None:
    harness.tasks(TASKS)
    path = harness.checkout / NEW
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    done = harness.run("plan")
    assert (done.code, done.error["code"]) == (2, "bad_config")
    assert "it is a pipe" in done.error["message"]
    path.unlink()
    path.write_text(json.dumps({"agent": {"model": "x" * 70_000}}))
    assert "larger than 64 KiB" in harness.run("plan").error["message"]
