"""The real spec-kit CLI: what its upgrades leave of us, and what we leave of its files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support import source_files
from support.git import spec_kit_layouts
from support.git.checkouts import work_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.harness import Harness

import pytest

COMMAND = ".opencode/commands/speckit.implement.md"
TASKS = ".opencode/commands/speckit.tasks.md"
RECORD = ".specify/integrations/opencode.manifest.json"
MARK = "<!-- sdlc-runner:"


def upgrade(harness: Harness) -> None:
    spec_kit_layouts.specify(harness, "integration", "upgrade", "--force")


def bundle_check(harness: Harness) -> dict[str, object]:
    (check,) = [check for check in harness.run("doctor").of("check") if check["name"] == "bundle"]
    return check


@pytest.mark.parametrize("renew", [upgrade, spec_kit_layouts.init], ids=["upgrade", "init"])
def test_the_preset_survives_what_writes_every_command_again(
    kit: Harness, renew: Callable[[Harness], None]
) -> None:
    before = work_files(kit.checkout)
    assert kit.run("install").code == 0
    renew(kit)
    for name in (COMMAND, TASKS):
        assert MARK in (kit.checkout / name).read_text()
    assert bundle_check(kit)["ok"] is True
    assert not kit.run("install").of("installed")
    done = kit.run("uninstall")
    assert done.code == 0, done.stdout
    after = work_files(kit.checkout)
    assert {name for name in before if before[name] != after.get(name)} <= {RECORD}
    assert set(after) == set(before)
    recorded = [json.loads(files[RECORD][1]) for files in (before, after)]
    assert recorded[0]["files"] == recorded[1]["files"]
    spec_kit_layouts.specify(kit, "integration", "upgrade")  # finds nothing that a person changed


@pytest.mark.parametrize("renew", [upgrade, spec_kit_layouts.init], ids=["upgrade", "init"])
def test_in_place_doctor_notices_that_the_stock_command_is_back(
    harness: Harness, renew: Callable[[Harness], None]
) -> None:
    spec_kit_layouts.upstream_without_cli(harness)
    assert harness.run("install").code == 0
    assert bundle_check(harness)["ok"] is True
    renew(harness)
    assert bundle_check(harness)["code"] == "stock_command"
    assert harness.run("install").code == 0
    assert bundle_check(harness)["ok"] is True


def test_a_command_that_a_person_changed_is_not_given_to_the_cli(kit: Harness) -> None:
    path = kit.checkout / COMMAND
    path.write_text(path.read_text() + "\nBe kind.\n")
    before = work_files(kit.checkout)
    assert kit.run("install").code == 0
    assert path.read_text().count("Be kind.") == 1
    assert MARK in path.read_text()
    assert not (kit.checkout / ".specify/presets").exists()
    assert kit.run("uninstall").code == 0
    assert work_files(kit.checkout) == before


def test_other_presets_stay(kit: Harness) -> None:
    theirs = kit.folder / "theirs"
    (theirs / "commands").mkdir(parents=True)
    (theirs / "commands/plan.md").write_text(
        "---\ndescription: Plan\n---\n{CORE_TEMPLATE}\nOurs.\n"
    )
    (theirs / "preset.yml").write_text(
        'schema_version: "1.0"\n'
        "preset: {id: theirs, name: Theirs, version: 1.0.0, description: Theirs, author: Them}\n"
        'requires: {speckit_version: ">=0.8.0"}\n'
        "provides:\n"
        "  templates:\n"
        "  - {type: command, name: speckit.plan, file: commands/plan.md, description: Plan,\n"
        "     replaces: speckit.plan, strategy: wrap}\n"
    )
    spec_kit_layouts.specify(kit, "preset", "add", "--dev", str(theirs))
    before = work_files(kit.checkout)
    assert kit.run("install").code == 0
    assert kit.run("uninstall").code == 0
    after = work_files(kit.checkout)
    registry = ".specify/presets/.registry"
    assert json.loads(after.pop(registry)[1]) == json.loads(before.pop(registry)[1])
    assert after == before


def test_the_cli_that_is_gone_is_asked_for(kit: Harness) -> None:
    assert kit.run("install").code == 0
    spec_kit_layouts.without_cli(kit)
    assert not kit.run("install").of("error")
    before = work_files(kit.checkout)
    done = kit.run("uninstall")
    assert (done.code, done.error["code"]) == (2, "not_installed")
    assert "specify-cli" in done.error["hint"]
    assert work_files(kit.checkout) == before


def test_a_preset_that_was_removed_by_hand_comes_back(kit: Harness) -> None:
    before = work_files(kit.checkout)
    assert kit.run("install").code == 0
    spec_kit_layouts.specify(kit, "preset", "remove", "sdlc-runner")
    assert bundle_check(kit)["code"] == "stock_command"
    done = kit.run("install")
    assert [event["what"] for event in done.of("installed")] == ["preset"]
    assert bundle_check(kit)["ok"] is True
    assert kit.run("uninstall").code == 0
    assert work_files(kit.checkout) == before


def test_a_cli_that_does_not_know_the_command_leaves_it_to_us(kit: Harness) -> None:
    """The fork's layout, and upstream's CLI on PATH: it registers the preset and composes none."""
    for stem in ("implement", "tasks"):
        former = f".opencode/commands/speckit.{stem}.md"
        kit.git("mv", former, f".opencode/commands/spec.{stem}.md")
        record = kit.checkout / RECORD
        record.write_text(record.read_text().replace(former, f".opencode/commands/spec.{stem}.md"))
    before = work_files(kit.checkout)
    done = kit.run("install")
    assert done.code == 0, done.stdout
    assert "preset" not in [event["what"] for event in done.of("installed")]
    assert not (kit.checkout / ".specify/presets").exists()
    live = [path.name for path in kit.checkout.glob(".opencode/commands/*implement.md")]
    assert live == ["spec.implement.md"]
    assert MARK in (kit.checkout / ".opencode/commands/spec.implement.md").read_text()
    assert bundle_check(kit)["ok"] is True
    assert kit.run("uninstall").code == 0
    assert work_files(kit.checkout) == before


def test_a_preset_that_was_added_by_hand_is_taken_over(kit: Harness) -> None:
    preset = source_files.ROOT / "helpers/sdlc_runner/bundle/presets/speckit"
    spec_kit_layouts.specify(kit, "preset", "add", "--dev", str(preset), "--priority", "5")
    done = kit.run("install")
    assert done.code == 0
    assert not done.of("warning")
    assert bundle_check(kit)["ok"] is True
    assert kit.run("uninstall").code == 0
    assert MARK not in (kit.checkout / COMMAND).read_text()
    assert not (kit.checkout / ".specify/presets").exists()
