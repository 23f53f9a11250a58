"""``python -m sdlc_runner``, and the console command."""

from __future__ import annotations

import gc


def start() -> None:
    """Run the command; most verbs are over before collecting garbage pays."""
    gc.set_threshold(50_000)
    from sdlc_runner.cli.main import entrypoint  # noqa: PLC0415 - importing is most of a short verb

    entrypoint()


if __name__ == "__main__":
    start()
