"""``bundle.yml`` for the real spec-kit CLI: valid, installed from a catalog, and gone again."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
import zipfile
from typing import TYPE_CHECKING

import pytest
import yaml

from sdlc_runner import __version__
from sdlc_runner.install import command_wrapper
from support import source_files
from support.git import spec_kit_layouts
from support.git.checkouts import work_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.harness import Harness

BUNDLE = source_files.ROOT / "helpers/sdlc_runner/bundle/presets/bundle"
PRESET = source_files.ROOT / "helpers/sdlc_runner/bundle/presets/speckit"
COMMAND = ".opencode/commands/speckit.implement.md"
MARK = "<!-- sdlc-runner:"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[str]:
    """A catalog that has the preset, at an address of this machine's own."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    shutil.make_archive(str(folder / "preset"), "zip", PRESET)
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    url = f"http://localhost:{server.server_port}"
    meta = yaml.safe_load((PRESET / "preset.yml").read_text())
    entry = {**meta["preset"], "requires": meta["requires"], "download_url": f"{url}/preset.zip"}
    record = {"schema_version": "1.0", "presets": {entry["id"]: entry}}
    (folder / "catalog.json").write_text(json.dumps(record))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"{url}/catalog.json"
    server.shutdown()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def test_installs_from_a_catalog_and_goes_again(kit: Harness, catalog: str) -> None:
    named = ("--name", "ours", "--install-allowed", "--priority", "1")
    spec_kit_layouts.specify(kit, "preset", "catalog", "add", catalog, *named)
    stock = (kit.checkout / COMMAND).read_text()
    spec_kit_layouts.specify(kit, "bundle", "install", str(BUNDLE))
    assert MARK in (kit.checkout / COMMAND).read_text()
    spec_kit_layouts.specify(kit, "bundle", "remove", "sdlc-runner")
    assert command_wrapper.same_steps((kit.checkout / COMMAND).read_text(), stock)


def test_install_takes_over_what_the_bundle_brought(kit: Harness) -> None:
    spec_kit_layouts.specify(kit, "preset", "add", "--dev", str(PRESET), "--priority", "5")
    spec_kit_layouts.specify(kit, "bundle", "validate", "--offline", "--path", str(BUNDLE))
    spec_kit_layouts.specify(kit, "bundle", "install", "--offline", str(BUNDLE))
    before = work_files(kit.checkout)
    done = kit.run("install")
    assert done.code == 0
    assert not done.of("warning")
    live = [path.name for path in kit.checkout.glob(".opencode/commands/*implement.md")]
    assert live == ["speckit.implement.md"]
    assert work_files(kit.checkout)[COMMAND] == before[COMMAND]


def test_builds_an_artifact_of_what_it_names(kit: Harness, tmp_path: Path) -> None:
    spec_kit_layouts.specify(
        kit, "bundle", "build", "--path", str(BUNDLE), "--output", str(tmp_path)
    )
    with zipfile.ZipFile(tmp_path / f"sdlc-runner-{__version__}.zip") as built:
        assert sorted(built.namelist()) == ["README.md", "bundle.yml"]


def test_names_the_preset_as_it_is() -> None:
    bundle = yaml.safe_load((BUNDLE / "bundle.yml").read_text())
    preset = yaml.safe_load((PRESET / "preset.yml").read_text())
    (named,) = bundle["provides"]["presets"]
    assert (named["id"], named["version"]) == (preset["preset"]["id"], preset["preset"]["version"])
    assert {named["strategy"]} == {each["strategy"] for each in preset["provides"]["templates"]}
    assert bundle["requires"]["speckit_version"] == preset["requires"]["speckit_version"]
    assert bundle["bundle"]["version"] == __version__
