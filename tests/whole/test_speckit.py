"""The real spec-kit: a repository that its CLI made, its own scripts, its own tasks template."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.git.checkouts import picture
from support.harness import FEATURE

if TYPE_CHECKING:
    from support.harness import Harness

SPECIFY = Path(sys.executable).parent / "specify"
SCRIPTS = ".specify/scripts/bash"
POINTER = ".specify/feature.json"
OURS = "002-todo-app"

pytestmark = pytest.mark.skipif(
    not SPECIFY.exists() and "CI" not in os.environ, reason="specify-cli is not installed"
)


def shell(harness: Harness, *argv: str) -> str:
    done = subprocess.run(
        argv, cwd=harness.checkout, env=harness.env, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def paths(harness: Harness) -> dict[str, str]:
    """What the stock scripts say of the feature."""
    script = f"{SCRIPTS}/check-prerequisites.sh"
    found: dict[str, str] = json.loads(shell(harness, "bash", script, "--paths-only", "--json"))
    return found


def filled_in(template: str) -> str:
    """The stock template with numbers and marks: T001 is done, T002 and T003 are for agents."""
    numbers = iter(range(29, 40))
    text = re.sub(r"TXXX", lambda _: f"T{next(numbers):03}", template)
    text = text.replace("[FEATURE NAME]", "Todo app").replace("- [ ] T001", "- [x] T001")
    text = text.replace("T002 Init", "T002 [ASYNC] Init").replace("T003 [P]", "T003 [P] [ASYNC]")
    return text.replace("T012 [P] [US1]", "T012 [P] [ASYNC] [US1]")


@pytest.fixture
def kit(harness: Harness) -> Harness:
    """A repository made by ``specify init``, with a feature made by the stock script."""
    init = ["init", "--here", "--integration", "opencode", "--script", "sh", "--force"]
    shell(harness, str(SPECIFY), *init, "--ignore-agent-tools", "--non-interactive")
    shell(
        harness, "bash", f"{SCRIPTS}/create-new-feature.sh", "--short-name", "todo-app", "Todo app"
    )
    shell(harness, "bash", f"{SCRIPTS}/setup-plan.sh", "--json")
    template = harness.checkout / ".specify/templates/tasks-template.md"
    harness.write(f"specs/{OURS}/tasks.md", filled_in(template.read_text(encoding="utf-8")))
    harness.commit("Specify the todo app")
    assert json.loads((harness.checkout / POINTER).read_text())["feature_directory"].endswith(OURS)
    return harness


def test_plans_the_stock_template(kit: Harness) -> None:
    before = picture(kit.checkout)
    done = kit.run("plan")
    assert done.code == 0, done.stdout
    assert picture(kit.checkout) == before
    planned = {event["task"]: event for event in done.of("planned")}
    assert list(planned) == [f"T{number:03}" for number in range(1, 35)]
    assert {event["feature"] for event in planned.values()} == {OURS}
    ends = {task: event["disposition"] for task, event in planned.items()}
    assert [task for task, end in ends.items() if end == "ready"] == ["T002"]
    assert ends["T001"] == "done"
    assert ends["T003"] == ends["T012"] == "waiting"
    assert {ends[f"T{number:03}"] for number in (4, 14, 30, 34)} == {"sync"}
    assert (planned["T002"]["wave"], planned["T003"]["wave"]) == (1, 2)
    assert planned["T012"]["story"] == "US1"
    assert planned["T012"]["phase"].startswith("Phase 3: User Story 1")
    assert planned["T014"]["files"] == ["src/services/[service].py"]


def test_runs_it_and_leaves_spec_kit_s_own_state_alone(kit: Harness) -> None:
    pointer, before = (kit.checkout / POINTER).stat(), paths(kit)
    kit.agent(f"""\
        argv = ["bash", "{SCRIPTS}/check-prerequisites.sh", "--json", "--require-tasks"]
        done = subprocess.run(argv, capture_output=True, text=True)
        pathlib.Path(f"{{task}}.txt").write_text(f"{{done.returncode}} {{done.stdout}}")
        pathlib.Path("{POINTER}").write_text('{{"feature_directory": "specs/mine"}}')
    """)
    done = kit.run("run")
    assert done.code == 0, done.stdout
    assert [event["task"] for event in done.of("ticked")] == ["T002", "T003"]
    text = kit.remote_file(f"specs/{OURS}/tasks.md")
    assert re.findall(r"^- \[X\] (\S+)", text, re.MULTILINE) == ["T002", "T003"]
    for task in ("T002", "T003"):  # the stock script works in an attempt's clone
        code, _, shown = kit.remote_file(f"{task}.txt").partition(" ")
        assert code == "0"
        assert json.loads(shown)["FEATURE_DIR"].endswith(f"specs/{OURS}")
    after = (kit.checkout / POINTER).stat()
    assert (after.st_mtime_ns, after.st_ino) == (pointer.st_mtime_ns, pointer.st_ino)
    assert paths(kit) == before
    assert kit.git("status", "--porcelain") == ""


def feature_of(harness: Harness) -> str:
    done = harness.run("plan")
    found = {event["feature"] for event in done.of("planned")}
    assert len(found) == 1, done.stdout
    return str(found.pop())


def test_finds_the_feature_as_spec_kit_does(kit: Harness) -> None:
    kit.write(f"specs/{FEATURE}/tasks.md", "- [ ] T001 [ASYNC] Write `one.txt`\n")
    assert feature_of(kit) == OURS == Path(paths(kit)["FEATURE_DIR"]).name
    kit.env["SPECIFY_FEATURE_DIRECTORY"] = f"specs/{FEATURE}"
    assert feature_of(kit) == FEATURE == Path(paths(kit)["FEATURE_DIR"]).name
    del kit.env["SPECIFY_FEATURE_DIRECTORY"]
    (kit.checkout / POINTER).unlink()
    assert feature_of(kit) == FEATURE  # named by the branch
    kit.git("switch", "-q", "-c", "elsewhere")
    done = kit.run("plan")
    assert (done.code, done.error["code"]) == (2, "many_features")
    assert "SPECIFY_FEATURE_DIRECTORY=specs/" in done.error["hint"]
    assert not (kit.checkout / POINTER).exists()
