"""The file with the newest line, for whoever shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.output.live_line import VARIABLE, LiveLine

if TYPE_CHECKING:
    from pathlib import Path


def test_the_newest_line_is_there_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "live" / "call_1"
    live = LiveLine({VARIABLE: str(path)})
    assert not path.parent.exists()
    for text in ("one", "two", "\ud800" + "x" * 1000):
        live.show(text)
    assert path.read_text() == "?" + "x" * 199
    live.close()
    live.close()
    assert not path.parent.exists()


def test_without_a_plugin_nothing_is_written(tmp_path: Path) -> None:
    for environ in ({}, {VARIABLE: ""}, {VARIABLE: str(tmp_path / "no/where/at-all")}):
        live = LiveLine(environ)
        live.show("one")
        live.close()
    assert not list(tmp_path.iterdir())
