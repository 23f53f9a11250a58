"""What users rely on holds in both forms of the pod, with OpenCode in both: all in one run."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from support.cluster import attacks
from support.cluster.attacks import META
from support.cluster.pod_template import Form
from support.cluster.waiting import wait_for
from support.harness import FEATURE, Result
from support.model.server import Rule, Turn, calls, says, shell, writes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.cluster.harness import ClusterHarness
    from support.harness import Event

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

HALF = writes("half.txt", "half\n")
LONG = calls(shell("sleep 100"))
STEP = Turn(calls=(shell("sleep 1"),), input_tokens=1, output_tokens=1)
DEAR = Turn(calls=(shell("true"),), input_tokens=5000)
RULES = {
    "T001": (HALF, LONG),  # cancelled by the user
    "T002": (HALF, LONG),
    "T003": (HALF, STEP),
    "T004": (writes("T004.txt", "done\n"), says("Written.")),
    "T005": (says("It is right as it is."),),
    "T006": (HALF, writes("broken.txt"), says("I think so.")),
    "T007": (writes("both.txt", "one\n"), says("Begun.")),
    "T008": (calls(shell("cat both.txt && echo two >>both.txt")), says("Ended.")),
    "T009": (HALF, DEAR, LONG),
    "T010": (HALF, Turn(status=401)),
}
VERDICTS = {
    "T001": ("cancelled", "cancelled"),
    "T002": ("idle", "idle_limit"),
    "T003": ("timed_out", "run_limit"),
    "T004": ("succeeded", "verified"),
    "T005": ("no_change", "no_change"),
    "T006": ("failed", "verify_failed"),
    "T007": ("succeeded", "verified"),
    "T008": ("succeeded", "verified"),
    "T009": ("budget_exceeded", "token_budget"),
    "T010": ("failed", "model_refused"),
}
FILES = {"T007": "both.txt", "T008": "both.txt"}
VERIFY = "verify.commands='test ! -e broken.txt'"
# Limits long enough for several OpenCodes to start at once on two cores.
CALLS: Sequence[Sequence[str]] = (
    ("T002", "--set", "limits.idle_seconds=60"),
    ("T003", "--set", "limits.run_seconds=75"),
    (
        *(id_ for id_ in RULES if id_ not in {"T002", "T003"}),
        *("--set", "max_parallel=2", "--set", "limits.tokens=3000", "--set", VERIFY),
    ),
)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("form", Form)
def test_good_and_bad_tasks_beside_each_other(harness: ClusterHarness, form: Form) -> None:
    lines = [f"- [ ] {id_} [P] [ASYNC] Do `{FILES.get(id_, id_ + '.txt')}`\n" for id_ in RULES]
    harness.tasks("".join(lines))
    harness.template(form)
    harness.use_opencode()
    harness.model.rules(*(Rule(f"Implement task {id_} ", turns) for id_, turns in RULES.items()))
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(attacks.running(harness, "run", words)) for words in CALLS]
        wait_for(lambda: at_work(harness, "T001"), 100, "the work on T001")
        assert harness.run("cancel", "T001").code == 0
        results = [attacks.ended(child, 150) for child in runs]
    result = Result(0, [event for each in results for event in each.events], "", "")
    assert {id_: verdict(result, id_) for id_ in RULES} == VERDICTS
    assert harness.ticked() == {"T004", "T005", "T007", "T008"}
    unfinished_work_is_kept(harness, result)
    finished_work_is_exact(harness, result)
    assert evidence(harness, "T005") == [
        {"command": "test ! -e broken.txt", "exit": 0, "output": "", "task": "T005"},
        {"message": "It is right as it is.", "task": "T005"},
    ]
    assert evidence(harness, "T006")[0]["exit"] == 1
    everything_was_numbered(result)


def at_work(harness: ClusterHarness, id_: str) -> bool:
    asked = [each for each in harness.model.requests() if f"Implement task {id_} " in each.prompt]
    return any(each.turn == 1 for each in asked)


def verdict(result: Result, id_: str) -> tuple[str, str]:
    outcome = result.outcome(id_)
    return outcome["outcome"], outcome["code"]


def unfinished_work_is_kept(harness: ClusterHarness, result: Result) -> None:
    for id_ in ("T001", "T002", "T003", "T006", "T009", "T010"):
        assert harness.remote_file("half.txt", f"{META}/{id_}/1/checkpoint") == "half"
        assert f"refs/heads/sdlc-runner/{FEATURE}/{id_}-1" not in harness.remote_refs()
        assert f"retry {id_} --from-checkpoint" in result.outcome(id_)["hint"]


def finished_work_is_exact(harness: ClusterHarness, result: Result) -> None:
    assert harness.remote_file("both.txt") == "one\ntwo"
    branch = f"sdlc-runner/{FEATURE}/T007-1"
    base = result.outcome("T007")["base"]
    commits = harness.git(
        "log", "--format=%s", f"{base}..{branch}", cwd=harness.remote
    ).splitlines()
    assert commits == ["T008: Do `both.txt`", "T007: Do `both.txt`"]
    for id_, names in (("T004", "T004.txt"), ("T007", "both.txt")):
        outcome = result.outcome(id_)
        span = (outcome["base"], outcome["head"])
        assert harness.git("diff", "--name-only", *span, cwd=harness.remote) == names
    assert result.outcome("T008")["bundle"] == "T007"


def evidence(harness: ClusterHarness, id_: str) -> list[Event]:
    result = json.loads(harness.remote_file("result.json", f"{META}/{id_}/1/transcript"))
    return sorted(result["evidence"], key=lambda item: "message" in item)


def everything_was_numbered(result: Result) -> None:
    for id_ in RULES:
        seqs = [event["seq"] for event in result.events if "seq" in event and event["task"] == id_]
        assert seqs == list(range(1, len(seqs) + 1)), id_
