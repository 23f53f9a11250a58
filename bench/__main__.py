"""``bench/run``: runs the benchmarks that are named and prints what they measured."""

from __future__ import annotations

import sys

from bench import (
    attempt,
    follow,
    fuzz,
    kube_attempt,
    kube_follow,
    kube_follow_end,
    kube_follow_many,
    kube_image,
    kube_spawn,
    many,
    opencode_start,
    opencode_titles,
    plan,
)

_ALL = {
    "plan": plan.measure,
    "attempt": attempt.measure,
    "many": many.measure,
    "follow": follow.measure,
    "opencode-start": opencode_start.measure,
    "kube-spawn": kube_spawn.measure,
    "kube-attempt": kube_attempt.measure,
    "kube-follow": kube_follow.measure,
    "kube-follow-many": kube_follow_many.measure,
    "kube-follow-end": kube_follow_end.measure,
    "kube-image": kube_image.measure,
    "opencode-titles": opencode_titles.measure,
    "fuzz": fuzz.measure,
}


def main(names: list[str]) -> int:
    """Measure; 1 when a promise was not kept."""
    unknown = [name for name in names if name not in _ALL]
    if unknown:
        print(f"no benchmark {unknown[0]}; there are: {', '.join(_ALL)}", file=sys.stderr)
        return 2
    chosen = names or [name for name in _ALL if name != "fuzz"]
    kept = [_ALL[name]() for name in chosen]
    return 0 if all(kept) else 1


sys.exit(main(sys.argv[1:]))
