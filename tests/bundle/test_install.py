"""``install`` and ``uninstall`` in repositories of every flavour."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from sdlc_runner import process
from support import source_files
from support.git import spec_kit_layouts
from support.git.checkouts import work_files
from support.harness import FEATURE

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import Harness, Result

RUN = ".opencode/sdlc-runner/run.py"
LEDGER = ".opencode/sdlc-runner/manifest.json"
MARK = "<!-- sdlc-runner:implement -->"


def install(harness: Harness, *more: str) -> Result:
    done = harness.run("install", *more)
    assert done.code == 0, done.stdout + done.stderr
    return done


def verdict(done: Result) -> str:
    return str(done.of("summary")[0]["verdict"])


def commands(harness: Harness) -> dict[str, str]:
    """Every live implement command, by what the user types."""
    found = harness.checkout.glob(".opencode/command*/*implement.md")
    return {path.stem: path.read_text() for path in found}


def bundle_check(harness: Harness) -> dict[str, object]:
    (check,) = [check for check in harness.run("doctor").of("check") if check["name"] == "bundle"]
    return check


def test_comes_and_goes_without_a_trace(flavoured: tuple[Harness, str]) -> None:
    harness, typed = flavoured
    before = work_files(harness.checkout)
    dry = install(harness, "--dry-run")
    assert work_files(harness.checkout) == before
    done = install(harness)
    assert f"type /{typed}." in verdict(done)
    assert [event["name"] for event in dry.of("installed")] == [
        event["name"] for event in done.of("installed")
    ]
    live = commands(harness)
    assert list(live) == [typed]
    assert MARK in live[typed]
    after = work_files(harness.checkout)
    again = install(harness)
    assert not again.of("installed")
    assert work_files(harness.checkout) == after
    assert bundle_check(harness)["ok"] is True
    gone = harness.run("uninstall")
    assert gone.code == 0, gone.stdout
    assert not gone.of("warning")
    assert work_files(harness.checkout) == before


def test_commands_that_a_person_wrote_are_not_taken_for_spec_kit_s(harness: Harness) -> None:
    spec_kit_layouts.own(harness)
    tasks = (harness.checkout / ".opencode/commands/tasks.md").read_text()
    assert "no spec-kit, but an implement command of its own" in verdict(install(harness))
    assert (harness.checkout / ".opencode/commands/tasks.md").read_text() == tasks


def test_every_stock_step_stays(flavoured: tuple[Harness, str]) -> None:
    harness, typed = flavoured
    stock = commands(harness).get(typed, "")
    install(harness)
    ours = commands(harness)[typed]
    steps = stock.partition("---\n")[2].partition("---\n")[2].strip()
    assert steps in ours
    assert ours.index(MARK) < ours.index("$ARGUMENTS")
    assert "CORE_TEMPLATE" not in ours


def test_the_copy_needs_nothing_but_python(harness: Harness) -> None:
    install(harness)
    harness.tasks("## Phase 1: Setup\n\n- [ ] T001 [ASYNC] Write `one.txt`\n")
    env = {name: text for name, text in harness.env.items() if name != "PYTHONPATH"}
    bare = (sys.executable, "-I", "-S", RUN)  # no packages, whatever this Python has
    planned = process.run((*bare, "plan"), cwd=harness.checkout, env=env)
    assert planned.ok, planned.error_text
    event = json.loads(planned.text.splitlines()[0])
    assert (event["feature"], event["task"], event["disposition"]) == (FEATURE, "T001", "ready")
    other = harness.folder / "other"
    other.mkdir()
    harness.git("init", "--quiet", cwd=other)
    copied = process.run((*bare, "install", str(other)), cwd=harness.checkout, env=env)
    assert copied.ok, copied.error_text
    for name in (RUN, ".opencode/agents/async-runner.md", ".opencode/commands/implement.md"):
        assert (other / name).read_bytes() == (harness.checkout / name).read_bytes()
    removed = process.run((sys.executable, RUN, "uninstall"), cwd=other, env=env)
    assert removed.ok, removed.error_text
    assert set(work_files(other)) == {".git"}


@pytest.mark.parametrize("theirs", [b"---\ndescription: Mine.\n---\nMine.\n", b""])
def test_a_stranger_s_file_stops_it_before_anything_is_written(
    harness: Harness, theirs: bytes
) -> None:
    harness.write(".opencode/agents/async-runner.md", theirs)
    before = work_files(harness.checkout)
    done = harness.run("install")
    assert (done.code, done.error["code"]) == (2, "not_ours")
    assert "async-runner.md" in done.error["message"]
    assert work_files(harness.checkout) == before


def test_nothing_is_written_through_a_link(harness: Harness, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (harness.checkout / ".opencode").symlink_to(elsewhere)
    done = harness.run("install")
    assert (done.code, done.error["code"]) == (2, "not_ours")
    assert not list(elsewhere.iterdir())


def test_what_a_person_changed_is_kept(harness: Harness) -> None:
    install(harness)
    agent = harness.checkout / ".opencode/agents/async-runner.md"
    agent.write_text(agent.read_text().replace("mode: subagent", "mode: subagent\nmodel: x/y"))
    changed = agent.read_bytes()
    again = install(harness)
    assert [event["code"] for event in again.of("warning")] == ["changed_since"]
    assert agent.read_bytes() == changed
    assert bundle_check(harness)["ok"] is True
    assert "async-runner.md" in str(bundle_check(harness)["message"])
    gone = harness.run("uninstall")
    assert [event["code"] for event in gone.of("warning")] == ["changed_since"]
    assert agent.read_bytes() == changed
    assert [path.name for path in (harness.checkout / ".opencode").rglob("*.*")] == [agent.name]


def test_a_newer_bundle_takes_the_place_of_an_older_one(harness: Harness) -> None:
    install(harness)
    manifest = harness.checkout / LEDGER
    known = json.loads(manifest.read_text())
    older = harness.checkout / ".opencode/commands/async-status.md"
    gone = harness.write(".opencode/commands/async-former.md", "former\n")
    older.write_text("older\n")
    for path in (older, gone):
        name = str(path.relative_to(harness.checkout))
        digest = process.run(["sha256sum", str(path)]).text.split()[0]
        known["files"][name] = {"what": "file", "sha256": digest, "before": False, "inserted": []}
    manifest.write_text(json.dumps(known))
    done = install(harness)
    assert [event["name"] for event in done.of("installed")] == [
        ".opencode/commands/async-status.md"
    ]
    assert "attempt" in older.read_text()
    assert not gone.exists()


def test_two_implement_commands_are_refused(harness: Harness) -> None:
    spec_kit_layouts.singular(harness)
    harness.write(".opencode/commands/spec.implement.md", spec_kit_layouts.STOCK)
    before = work_files(harness.checkout)
    done = harness.run("install")
    assert (done.code, done.error["code"]) == (2, "second_command")
    assert "spec.implement.md" in done.error["message"]
    assert work_files(harness.checkout) == before


def test_spec_kit_that_comes_later_takes_the_plain_command_s_place(harness: Harness) -> None:
    install(harness)
    assert list(commands(harness)) == ["implement"]
    spec_kit_layouts.upstream(harness)
    check = bundle_check(harness)
    assert (check["ok"], check["code"]) == (False, "second_command")
    install(harness)
    assert list(commands(harness)) == ["speckit.implement"]
    assert bundle_check(harness)["ok"] is True


def test_spec_kit_that_goes_leaves_the_plain_command(harness: Harness) -> None:
    spec_kit_layouts.singular(harness)
    install(harness)
    for path in harness.checkout.glob(".opencode/command/speckit.*"):
        path.unlink()
    assert bundle_check(harness)["code"] == "not_installed"
    install(harness)
    assert list(commands(harness)) == ["implement"]


def test_both_folders_have_one_command(harness: Harness) -> None:
    spec_kit_layouts.singular(harness)
    harness.write(".opencode/commands/speckit.implement.md", spec_kit_layouts.STOCK)
    before = work_files(harness.checkout)
    install(harness)
    texts = [path.read_text() for path in harness.checkout.glob(".opencode/command*/*implement.md")]
    assert [MARK in text for text in texts] == [True, True]
    assert harness.run("uninstall").code == 0
    assert work_files(harness.checkout) == before


def test_a_stock_command_that_came_back_is_noticed_and_wrapped_again(harness: Harness) -> None:
    spec_kit_layouts.singular(harness)
    install(harness)
    newer = spec_kit_layouts.STOCK.replace("Run the script", "Run the newer script")
    harness.write(".opencode/command/speckit.implement.md", newer)
    check = bundle_check(harness)
    assert (check["ok"], check["code"]) == (False, "stock_command")
    assert "sdlc-runner install" in str(check["hint"])
    install(harness)
    assert "newer script" in commands(harness)["speckit.implement"]
    assert MARK in commands(harness)["speckit.implement"]
    assert harness.run("uninstall").code == 0
    assert commands(harness) == {"speckit.implement": newer}


def test_a_wrapped_command_that_a_person_changed_is_kept(harness: Harness) -> None:
    spec_kit_layouts.singular(harness)
    install(harness)
    path = harness.checkout / ".opencode/command/speckit.implement.md"
    path.write_text(path.read_text() + "\nAnd be kind.\n")
    again = install(harness)
    assert [event["code"] for event in again.of("warning")] == ["changed_since"]
    (warning,) = harness.run("uninstall").of("warning")
    assert path.read_text().endswith("And be kind.\n")
    former = str(warning["hint"]).rpartition(" ")[2]
    assert (harness.checkout / former).read_text() == spec_kit_layouts.STOCK


def test_an_installation_that_was_killed_is_gone_on_with(harness: Harness) -> None:
    spec_kit_layouts.singular(harness)
    before = work_files(harness.checkout)
    install(harness)
    after = work_files(harness.checkout)
    (harness.checkout / LEDGER).unlink()  # it is written last
    (harness.checkout / ".opencode/agents/async-runner.md").unlink()
    assert not install(harness).of("warning")
    assert {**work_files(harness.checkout), LEDGER: after[LEDGER]} == after
    assert harness.run("uninstall").code == 0
    left = set(work_files(harness.checkout)) - set(before)
    assert not [name for name in left if (harness.checkout / name).is_file()]


def test_what_an_earlier_installation_left_is_not_taken_for_the_command(harness: Harness) -> None:
    spec_kit_layouts.singular(harness)
    harness.write(".opencode/sdlc-runner/before/.opencode/command/speckit.implement.md", "former\n")
    install(harness)
    assert "Execute all tasks" in commands(harness)["speckit.implement"]
    assert harness.run("uninstall").code == 0
    assert commands(harness)["speckit.implement"] == spec_kit_layouts.STOCK


def test_says_no_where_there_is_nothing_to_do(harness: Harness) -> None:
    done = harness.run("uninstall")
    assert (done.code, done.error["code"]) == (2, "not_installed")
    done = harness.run("install", str(harness.folder))
    assert (done.code, done.error["code"]) == (2, "no_repository")
    harness.write(LEDGER, "{}")
    done = harness.run("install")
    assert (done.code, done.error["code"]) == (2, "bad_ledger")


def test_the_bundle_s_own_repository_needs_none(harness: Harness) -> None:
    done = harness.run("install", str(source_files.ROOT))
    assert (done.code, done.error["code"]) == (2, "bad_argument")
