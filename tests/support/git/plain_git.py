"""Attempts made by plain git commands: what a remote may show, without any worker of ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.harness import FEATURE, Harness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[Path], object]


@dataclass(frozen=True)
class Made:
    """What was pushed: the attempt's branch and its head."""

    branch: str
    head: str


def attempt(
    harness: Harness,
    task: str,
    change: Change,
    number: int = 1,
    base: str = FEATURE,
    events: bytes | None = None,
) -> Made:
    """Push start, branch and transcript of an attempt that succeeded with this change."""
    work = harness.folder / "by-hand" / f"{task}-{number}"
    clone = ("clone", "--quiet", "--no-checkout", "--branch", base, str(harness.remote), str(work))
    harness.git(*clone, cwd=harness.folder)
    # Only what the change writes is to be changed, whatever .gitattributes would rewrite.
    (work / ".git/info/attributes").write_text("* -text\n")
    harness.git("checkout", "--quiet", cwd=work)
    begun = harness.git("rev-parse", "HEAD", cwd=work)
    branch = f"sdlc-runner/{FEATURE}/{task}-{number}"
    names = f"Feature: {FEATURE}\nTask: {task}\nAttempt: {number}\n"
    change(work)
    harness.git("add", "--all", "--force", cwd=work)
    _commit(harness, work, f"{task}: by hand\n\n{names}Agent-Status: succeeded\n")
    head = harness.git("rev-parse", "HEAD", cwd=work)
    start = _empty_commit(
        harness,
        work,
        f"Start {task}-{number}\n\n{names}Tasks: {task}\nBase: {begun}\nBranch: {branch}\n"
        f"Backend: local\nWhere: elsewhere\nIdentity: {'0' * 64}\nNonce: {task}{number}\n",
    )
    transcript = _transcript(harness, work, begun, head, events)
    refs = f"refs/sdlc-runner/{FEATURE}/{task}/{number}"
    pushed = {
        f"refs/heads/{branch}": head,
        f"{refs}/start": start,
        f"{refs}/transcript": transcript,
    }
    specs = [f"{commit}:{ref}" for ref, commit in pushed.items()]
    harness.git("push", "--quiet", "--atomic", "origin", *specs, cwd=work)
    return Made(branch, head)


def writes(files: dict[str, str | bytes]) -> Change:
    """Return a change that writes these files."""

    def change(work: Path) -> None:
        for name, text in files.items():
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return change


def _commit(harness: Harness, work: Path, message: str) -> None:
    harness.git("commit", "--quiet", "--allow-empty", "--no-verify", "-m", message, cwd=work)


def _empty_commit(harness: Harness, work: Path, message: str) -> str:
    tree = harness.git("hash-object", "-t", "tree", "-w", "/dev/null", cwd=work)
    return harness.git("commit-tree", tree, "-m", message, cwd=work)


def _transcript(harness: Harness, work: Path, base: str, head: str, events: bytes | None) -> str:
    result = {"status": "succeeded", "base": base, "head": head}
    files = {"result.json": json.dumps(result).encode(), "events.jsonl": events}
    harness.git("read-tree", "--empty", cwd=work)
    for name, data in files.items():
        if data is not None:
            path = work.with_suffix(f".{name}")
            path.write_bytes(data)
            blob = harness.git("hash-object", "-w", str(path), cwd=work)
            harness.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", cwd=work)
    tree = harness.git("write-tree", cwd=work)
    return harness.git("commit-tree", tree, "-m", "Transcript", cwd=work)
