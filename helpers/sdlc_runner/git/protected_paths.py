"""The files that belong to the main session: an attempt's edits to them are left out."""

from __future__ import annotations

DELEGATIONS = ("tasks_meta.json", ".async_state")
"""What the spec-kit fork keeps of delegated tasks."""
NAMES = ("tasks.md", *DELEGATIONS)


def paths(feature_dir: str) -> tuple[str, ...]:
    """Return the protected paths, relative to the repository; a folder protects what is in it."""
    return (".specify/feature.json", *(f"{feature_dir}/{name}" for name in NAMES))


def all_but_delegations(feature_dir: str) -> tuple[str, ...]:
    """Return the pathspecs of the whole repository without the fork's own files."""
    return (":/", *(f":(top,exclude,literal){feature_dir}/{name}" for name in DELEGATIONS))


def is_protected(path: str, feature_dir: str) -> bool:
    """Whether a path is one of them or lies in one of them."""
    return any(path == name or path.startswith(f"{name}/") for name in paths(feature_dir))
