"""``python -m sdlc_runner``."""

from __future__ import annotations

from sdlc_runner.cli import entrypoint

if __name__ == "__main__":
    entrypoint()
