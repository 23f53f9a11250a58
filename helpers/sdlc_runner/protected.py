"""The files that belong to the main session: an attempt's edits to them are left out."""

from __future__ import annotations

NAMES = ("tasks.md", "tasks_meta.json", ".async_state")


def paths(feature_dir: str) -> tuple[str, ...]:
    """Return the protected paths, relative to the repository; a folder protects what is in it."""
    return (".specify/feature.json", *(f"{feature_dir}/{name}" for name in NAMES))


def is_protected(path: str, feature_dir: str) -> bool:
    """Whether a path is one of them or lies in one of them."""
    return any(path == name or path.startswith(f"{name}/") for name in paths(feature_dir))
