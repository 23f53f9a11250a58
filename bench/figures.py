"""Timing whole processes, and printing a figure beside its promise."""

from __future__ import annotations

import statistics
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


def wall(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> float:
    """Return the seconds that a program takes; it must end with 0."""
    began = time.perf_counter()
    subprocess.run(argv, cwd=cwd, env=dict(env), check=True, capture_output=True)
    return time.perf_counter() - began


def interleaved(
    ours: Callable[[], float], theirs: Callable[[], float], rounds: int
) -> tuple[list[float], list[float]]:
    """Measure both in turn, so that a drifting machine treats them alike."""
    pairs = [(ours(), theirs()) for _ in range(rounds + 1)][1:]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def show(name: str, figures: Mapping[str, Sequence[float]], unit: str) -> None:
    """Print minimum, median and maximum of each."""
    for what, values in figures.items():
        low, mid, high = min(values), statistics.median(values), max(values)
        print(f"{name:<8} {what:<44} {mid:10.3f} {unit}  ({low:.3f} to {high:.3f})")


def verdict(name: str, text: str, *, kept: bool) -> bool:
    """Print whether a promise was kept."""
    print(f"{name:<8} {'kept  ' if kept else 'BROKEN'} {text}", flush=True)
    return kept
