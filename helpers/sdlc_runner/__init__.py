"""Runs the [ASYNC] tasks of a spec-kit feature with agents, and trusts only the git remote.

``docs/architecture.md`` describes the folders, in the order in which data passes through them.
"""

__version__ = "0.2.0"
