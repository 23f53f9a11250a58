"""What is made from the code is as the code says now."""

from __future__ import annotations

import sys

from sdlc_runner import process
from support import source_files


def test_generated_files_are_up_to_date() -> None:
    checked = process.run([sys.executable, str(source_files.ROOT / "scripts/generate"), "--check"])
    assert checked.ok, checked.error_text
