"""The permission rules in somebody's ``opencode.json``: merged in, and taken out again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bundle.test_install import install
from support.git.checkouts import work_files

if TYPE_CHECKING:
    from support.harness import Harness

CONFIG = '{\n  "permission": {\n    "bash": {"*": "ask"} // mine\n  }\n}\n'


def test_permission_rules_come_and_go(harness: Harness) -> None:
    path = harness.write("opencode.json", CONFIG)
    install(harness)
    assert '{"*": "ask", "python3 .opencode/sdlc-runner/run.py plan *": "allow"' in path.read_text()
    path.write_text(path.read_text().replace("// mine", "// still mine"))
    assert not install(harness).of("installed")
    assert harness.run("uninstall").code == 0
    assert path.read_text() == CONFIG.replace("// mine", "// still mine")


def test_permission_rules_go_from_a_file_that_was_changed_meanwhile(harness: Harness) -> None:
    path = harness.write("opencode.json", CONFIG)
    install(harness)
    path.write_text(path.read_text().replace("// mine", "// still mine"))
    assert harness.run("uninstall").code == 0
    assert path.read_text() == CONFIG.replace("// mine", "// still mine")


def test_a_broken_configuration_is_said_before_anything_is_written(harness: Harness) -> None:
    harness.write("opencode.json", '{\n  "permission": {,}\n}\n')
    before = work_files(harness.checkout)
    done = harness.run("install")
    assert (done.code, done.error["code"]) == (2, "bad_config")
    assert "opencode.json: line 2" in done.error["message"]
    assert work_files(harness.checkout) == before
