"""100 tasks spawned by one call, against `helm template | kubectl apply` for each of them.

No pod of either runs: they ask for a node that is not there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import figures, on_cluster
from support.cluster.pod_template import Form, pod_template

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness

_TASKS = 100
_FASTER = 10
_MOST_CALLS = 2
_NOWHERE = {"sdlc-runner/bench": "nowhere"}
_POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: "{{{{ .Values.task }}}}"}}
spec: {spec}
"""


def measure() -> bool:
    """Measure; whether the promise was kept."""
    if not on_cluster.is_there():
        return True
    with on_cluster.rigged() as made:
        template = pod_template(Form.ONE)
        template["template"]["spec"]["nodeSelector"] = _NOWHERE
        made.namespace.kubectl.apply(template)
        tasks = [f"- [ ] T{n:03} [P] [ASYNC] Write T{n:03}.txt" for n in range(1, _TASKS + 1)]
        made.tasks("\n".join(["## Phase 1: Setup", *tasks]) + "\n")
        ours, calls = _ours(made)
        theirs = _theirs(made, template["template"]["spec"])
    figures.show(
        "spawn", {"spawn of 100 tasks": [ours], "helm | kubectl, 100 times": [theirs]}, "s"
    )
    said = f"{theirs / ours:.1f} times faster, at least {_FASTER}"
    kept = figures.verdict("spawn", said, kept=theirs / ours >= _FASTER)
    if calls is None:
        return kept
    said = f"{calls / _TASKS:.2f} API calls a task, at most {_MOST_CALLS}"
    return figures.verdict("spawn", said, kept=calls / _TASKS <= _MOST_CALLS) and kept


def _ours(made: ClusterHarness) -> tuple[float, int | None]:
    """Return the seconds, and how many requests the API server counted (None: unknown)."""
    argv = [sys.executable, "-m", "sdlc_runner", "spawn"]
    argv += [f"T{number:03}" for number in range(1, _TASKS + 1)]
    seconds = figures.wall(argv, made.checkout, made.env)
    assert len(made.namespace.jobs()) == _TASKS
    return seconds, _requests(made.namespace.name)


def _requests(namespace: str) -> int | None:
    """Count our requests about a namespace in the test cluster's audit log."""
    program = os.environ.get("SDLC_CLUSTER_KIT")
    if not program:
        return None
    log = subprocess.run([program, "logs", "audit", "-n", "20000"], check=True, capture_output=True)
    events = (json.loads(line) for line in log.stdout.splitlines() if line.startswith(b"{"))
    return sum(
        1
        for event in events
        if event.get("userAgent", "").startswith("sdlc-runner/")
        and event.get("objectRef", {}).get("namespace") == namespace
        and event["stage"] == "ResponseComplete"
    )


def _theirs(made: ClusterHarness, spec: dict[str, object]) -> float:
    """Return the seconds for a chart of one pod, rendered and applied task by task."""
    chart = made.folder / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: pod\nversion: 0.1.0\n")
    (chart / "values.yaml").write_text("task: t\n")
    (chart / "templates" / "pod.yaml").write_text(_POD.format(spec=json.dumps(spec)))
    kubectl = " ".join(made.namespace.kubectl.argv)
    script = f"helm template x {chart} --set task=$1 | {kubectl} apply -f -"
    env = {**made.env, "PATH": os.environ["PATH"]}
    began = time.perf_counter()
    for number in range(1, _TASKS + 1):
        figures.wall(["sh", "-ec", script, "sh", f"t{number:03}"], Path(chart), env)
    return time.perf_counter() - began
