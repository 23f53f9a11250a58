"""``install --live-titles``: what it puts into a checkout, and that all of it goes again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.git.checkouts import work_files

if TYPE_CHECKING:
    from support.harness import Harness

PLUGIN = ".opencode/plugins/sdlc-runner-live-titles.js"
LOCK = ".opencode/package-lock.json"


def names(harness: Harness) -> set[str]:
    return {name for name in work_files(harness.checkout) if name.startswith(".opencode/")}


def test_comes_and_goes_without_a_trace(flavoured: tuple[Harness, str]) -> None:
    harness, _ = flavoured
    before = work_files(harness.checkout)
    dry = harness.run("install", "--live-titles", "--dry-run")
    assert work_files(harness.checkout) == before
    done = harness.run("install", "--live-titles")
    told = [event["name"] for event in done.of("installed")]
    assert told == [event["name"] for event in dry.of("installed")]
    assert {PLUGIN, LOCK} <= {*told} & names(harness)
    after = work_files(harness.checkout)
    for again in ("--live-titles", "."):
        assert not harness.run("install", again).of("installed")
    assert work_files(harness.checkout) == after
    (check,) = [each for each in harness.run("doctor").of("check") if each["name"] == "bundle"]
    assert check["ok"] is True
    gone = harness.run("uninstall")
    assert gone.code == 0, gone.stdout
    assert not gone.of("warning")
    assert work_files(harness.checkout) == before


def test_git_sees_nothing_of_it(harness: Harness) -> None:
    assert harness.run("install").code == 0
    harness.commit("Install the bundle")
    assert harness.run("install", "--live-titles").code == 0
    assert harness.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    "theirs", [".opencode/plugins/mine.ts", ".opencode/tool/mine.js", ".opencode/package.json"]
)
def test_packages_of_others_are_left_to_npm(harness: Harness, theirs: str) -> None:
    harness.write(theirs, "{}\n")
    harness.write(".opencode/.gitignore", "node_modules\n")
    before = work_files(harness.checkout)
    done = harness.run("install", "--live-titles")
    assert PLUGIN in names(harness)
    assert LOCK not in names(harness)
    (warning,) = done.of("warning")
    assert warning["code"] == "slow_start"
    assert str(harness.checkout / ".opencode") in str(warning["message"])
    assert harness.run("uninstall").code == 0
    assert work_files(harness.checkout) == before


def test_the_user_s_own_folder_is_only_read(harness: Harness) -> None:
    own = Path(harness.env["XDG_CONFIG_HOME"], "opencode")
    (warning,) = harness.run("install", "--live-titles").of("warning")
    assert (warning["code"], str(own) in str(warning["message"])) == ("slow_start", True)
    assert not own.exists()
    (own / "node_modules").mkdir(parents=True)
    lock = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": "1.18.33"}}}}
    (own / "package-lock.json").write_text(json.dumps(lock))
    before = work_files(own)
    assert not harness.run("install").of("warning")
    assert work_files(own) == before


def test_what_a_person_changed_is_kept(harness: Harness) -> None:
    assert harness.run("install", "--live-titles").code == 0
    plugin = harness.checkout / PLUGIN
    plugin.write_text("// mine\n")
    assert harness.run("install").code == 0
    assert harness.run("uninstall").of("warning")[0]["code"] == "changed_since"
    assert plugin.read_text() == "// mine\n"


def test_a_stranger_s_plugin_stops_it(harness: Harness) -> None:
    harness.write(PLUGIN, "// theirs\n")
    before = work_files(harness.checkout)
    done = harness.run("install", "--live-titles")
    assert (done.code, done.error["code"]) == (2, "not_ours")
    assert work_files(harness.checkout) == before
