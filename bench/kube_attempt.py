"""An attempt with an instant scripted model in two containers, from the runner's start to its exit,
against clone, `opencode run`, commit and push by a shell script in one container of the same image.
"""

from __future__ import annotations

import statistics
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bench import figures, on_cluster
from support.cluster import plain_job
from support.cluster.pod_template import AGENT_IMAGE, Form, pod_template
from support.harness import FEATURE
from support.model.server import MODEL, Rule, calls, says, write

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness

_ROUNDS = 8
_PROMISE = 1.5
_BY_HAND = """\
git_ clone --quiet --depth 1 --branch {feature} {url} /workspace/repo
cd /workspace/repo
export HOME=/home/agent PWD=/workspace/repo OPENCODE_PURE=1 OPENCODE_DISABLE_AUTOUPDATE=1
export OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_LSP_DOWNLOAD=1
export {key}="$(cat /secrets/model/{key})"
echo 'Implement task {task} ' | opencode run --format json --title t --model {model} >/attempt/out
export HOME=/attempt
git_ add --all
git_ commit --quiet -m {task}
git_ push --quiet origin HEAD:refs/heads/by-hand-{task}
"""


def measure() -> bool:
    """Measure; whether the promise was kept."""
    if not on_cluster.is_there():
        return True
    with on_cluster.rigged(Form.TWO) as made:
        made.use_opencode()
        tasks = [f"- [ ] T{n:03} [P] [ASYNC] Write T{n:03}.txt" for n in range(1, _ROUNDS + 2)]
        made.tasks("\n".join(["## Phase 1: Setup", *tasks]) + "\n")
        made.model.rules(Rule("", (calls(write("@folder@/work.txt", "x\n")), says("done"))))
        numbers = iter(range(1, 2 * _ROUNDS + 3))
        mine, by_hand = figures.interleaved(
            lambda: _ours(made, f"T{(next(numbers) + 1) // 2:03}"),
            lambda: _theirs(made, f"T{next(numbers) // 2:03}"),
            _ROUNDS,
        )
    figures.show("attempt", {"runner, start to exit": mine, "by hand, start to exit": by_hand}, "s")
    # The API reports whole seconds, so only sums over all rounds say more.
    ratio = statistics.fmean(mine) / statistics.fmean(by_hand)
    said = f"{ratio:.2f} times by hand, at most {_PROMISE} (means of {_ROUNDS})"
    return figures.verdict("attempt", said, kept=ratio <= _PROMISE)


def _ours(made: ClusterHarness, task: str) -> float:
    argv = [sys.executable, "-m", "sdlc_runner", "spawn", task, "--follow"]
    figures.wall(argv, made.checkout, made.env)
    (job,) = (item for item in made.namespace.jobs() if f"-{task.lower()}-" in _name(item))
    return _seconds(made.namespace.finished_pod(_name(job)))


def _theirs(made: ClusterHarness, task: str) -> float:
    script = plain_job.GIT_BY_HTTP + _BY_HAND.format(
        feature=FEATURE, url=made.repository.pod_url_http, task=task, model=MODEL, key=_key(made)
    )
    job = plain_job.job(script)
    runner = job["spec"]["template"]["spec"]["containers"][0]
    like = pod_template(Form.ONE)["template"]["spec"]["containers"][0]
    runner.update(image=AGENT_IMAGE, env=[*like["env"], *runner["env"][-1:]])
    made.namespace.kubectl.create(job)
    pod = made.namespace.finished_pod(_name(job))
    assert pod["status"]["phase"] == "Succeeded", made.namespace.log(_name(pod))
    return _seconds(pod)


def _key(made: ClusterHarness) -> str:
    (name,) = made.namespace.kubectl.get("secret", "model-keys")["data"]
    return str(name)


def _name(item: dict[str, Any]) -> str:
    return str(item["metadata"]["name"])


def _seconds(pod: dict[str, Any]) -> float:
    (status,) = pod["status"]["containerStatuses"]
    ended = status["state"]["terminated"]
    began, over = (
        datetime.fromisoformat(ended[name].replace("Z", "+00:00"))
        for name in ("startedAt", "finishedAt")
    )
    return (over - began).total_seconds()
