"""What is made from the code is as the code says now."""

from __future__ import annotations

import sys

import sources
from sdlc_runner import process


def test_generated_files_are_up_to_date() -> None:
    checked = process.run([sys.executable, str(sources.ROOT / "scripts/generate"), "--check"])
    assert checked.ok, checked.error_text
