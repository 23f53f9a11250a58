from __future__ import annotations

import json
import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from support.git import repo_scan
from support.harness import FEATURE, Event, Harness, Result, until
from support.model.server import (
    KEY,
    Call,
    ModelServer,
    Rule,
    Turn,
    calls,
    edit,
    path,
    says,
    shell,
    write,
    writes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.model.request import Request

    UseModel = Callable[[str], None]

pytestmark = [pytest.mark.opencode, pytest.mark.slow]

REFS = f"refs/sdlc-runner/{FEATURE}"


def task(number: int, *turns: Turn | Callable[[Request], Turn]) -> Rule:
    return Rule(rf"Implement task T00{number} ", turns)


def tasks(harness: Harness, *titles: str) -> None:
    lines = [f"- [ ] T00{at} [P] [ASYNC] {title}\n" for at, title in enumerate(titles, 1)]
    harness.tasks("## Phase 1: Setup\n\n" + "".join(lines))


def transcript(harness: Harness, name: str) -> list[Event]:
    text = harness.git("show", f"{REFS}/{name}/1/transcript:events.jsonl", cwd=harness.remote)
    return [json.loads(line) for line in text.splitlines()]


def test_two_tasks_become_verified_merged_and_ticked_work(
    harness: Harness, use_model: UseModel
) -> None:
    tasks(harness, "Make it blue in `old.py` and `src/one.py`", "Write `src/two.py`")
    one = task(
        1,
        lambda r: calls(Call("read", {"filePath": path(r, "old.py")}), text="I read it first."),
        lambda r: calls(
            edit(path(r, "old.py"), "red", "blue"), write(path(r, "src/one.py"), "one = 1\n")
        ),
        calls(shell("ls src && echo checked")),
        says("Blue now; checked."),
    )
    two = task(2, writes("src/two.py", "two = 2\n"), says("Written."))
    with ModelServer([one, two]) as model:
        use_model(model.url)
        base = harness.git("rev-parse", "HEAD")
        result = harness.run("run", "--detail", "full")
    assert result.code == 0, result.stdout
    assert harness.ticked() == {"T001", "T002"}
    assert harness.remote_file("old.py") == "colour = 'blue'"
    assert harness.remote_file("src/two.py") == "two = 2"
    told_all(result)
    head = result.outcome("T001")["head"]
    changed = harness.git("diff", "--name-only", base, head, cwd=harness.remote).splitlines()
    assert changed == ["old.py", "src/one.py"]
    litter = harness.attempt("T001") / "work" / ".opencode"
    assert {".gitignore", "package.json", "node_modules"} & {item.name for item in litter.iterdir()}
    for name in ("T001", "T002"):
        events = transcript(harness, name)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert {"tool", "message", "usage", "result"} <= {event["type"] for event in events}
    shutil.rmtree(harness.state)
    verified = harness.run("verify")
    assert verified.code == 0
    assert [event["code"] for event in verified.of("outcome")] == ["verified", "verified"]


def told_all(result: Result) -> None:
    """Check what a run of the two tasks told."""
    for name in ("T001", "T002"):
        outcome = result.outcome(name)
        assert (outcome["outcome"], outcome["code"]) == ("succeeded", "verified")
        assert outcome["input_tokens"] >= 200
        assert outcome["output_tokens"] >= 40
        assert result.of("merged", name)
        assert result.of("ticked", name)
    told = {(tool["name"], tool.get("target")) for tool in result.of("tool", "T001")}
    assert told >= {("edit", "old.py"), ("write", "src/one.py"), ("read", "old.py")}
    assert "Blue now; checked." in [event["text"] for event in result.of("message", "T001")]
    assert result.of("usage", "T001")[-1]["input_tokens"] == 400


def test_what_the_agent_does_with_git_and_with_tasks_md_changes_nothing(
    harness: Harness, use_model: UseModel
) -> None:
    tasks(harness, "Write `one.py`", "Write `two.py` some day")
    own = (
        "git config user.name Agent && git config user.email agent@localhost"
        f" && sed -i 's/\\[ \\]/[X]/; s/some day/never/' specs/{FEATURE}/tasks.md"
        " && echo 1 > one.py && git add --all && git commit --quiet -m 'T002: done'"
        " && git checkout --quiet -b other; git push origin HEAD; git push; echo ended"
    )
    rules = [
        task(1, calls(shell(own)), lambda request: says(request.results[-1])),
    ]
    before = harness.remote_refs()
    with ModelServer(rules) as model:
        use_model(model.url)
        result = harness.run("run", "T001", "--detail", "full")
    assert result.code == 0, result.stdout
    assert result.outcome("T001")["code"] == "verified"
    assert any("ended" in event["text"] for event in result.of("message", "T001"))
    assert harness.ticked() == {"T001"}
    assert "some day" in harness.remote_file(f"specs/{FEATURE}/tasks.md")
    assert [event["code"] for event in result.of("warning", "T001")] == ["protected_file"]
    after = harness.remote_refs()
    new = {name for name in after if name.startswith("refs/heads/")} - set(before)
    assert new == {f"refs/heads/sdlc-runner/{FEATURE}/T001-1"}
    assert after["refs/heads/main"] == before["refs/heads/main"]
    authors = harness.git("log", "--format=%an", f"main..{FEATURE}", cwd=harness.remote)
    assert "Agent\n" not in f"{authors}\n".replace("Agentic SDLC Runner", "")


def test_models_that_misbehave_end_in_outcomes_and_their_work_is_kept(
    harness: Harness, use_model: UseModel
) -> None:
    tasks(harness, "Hear garbage", "Be cut short")
    rules = [
        task(1, writes("work-1.txt"), Turn(body=b"<html>\xff garbage")),
        task(2, writes("work-2.txt"), Turn("I was going to", finish="length")),
    ]
    with ModelServer(rules) as model:
        use_model(model.url)
        result = harness.run("run")
    assert result.code == 1
    expected = {"T001": "model_error", "T002": "agent_incomplete"}
    for at, (name, code) in enumerate(expected.items(), 1):
        outcome = result.outcome(name)
        assert (outcome["outcome"], outcome["code"]) == ("failed", code), outcome
        assert f"sdlc-runner retry {name} --from-checkpoint" in outcome["hint"]
        assert harness.remote_file(f"work-{at}.txt", outcome["checkpoint"]) == "done"
    assert not harness.ticked()


def test_an_answer_without_end_ends_at_the_limit_and_its_work_is_kept(
    harness: Harness, use_model: UseModel
) -> None:
    tasks(harness, "Hear no end")
    rules = [task(1, writes("work.txt"), Turn("and so on", finish=None, delay=1.5))]
    with ModelServer(rules) as model:
        use_model(model.url)
        result = harness.run("run", "--set", "limits.run_seconds=30")
    assert result.code == 1
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("timed_out", "run_limit"), outcome
    assert "limits.run_seconds" in outcome["hint"]
    assert harness.remote_file("work.txt", outcome["checkpoint"]) == "done"
    assert not harness.ticked()


def test_an_unreachable_model_is_reported_with_what_to_look_at(
    harness: Harness, use_model: UseModel
) -> None:
    tasks(harness, "Call in vain")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens
        use_model(f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        result = harness.run("run", "--set", "limits.run_seconds=110")
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("failed", "model_unreachable")
    assert "model's address" in outcome["hint"]
    assert result.code == 1
    assert result.events[-1]["ok"] is False


WANTED = (
    "contracts/add-item.md in old.py (depends on T001)",
    "answer as the contract says",
    "an empty list, **When** I add milk",
    "POST /items answers 201",
    "Code MUST be typed.",
    "Python, no dependencies.",
    "`old.py`: exists",
    "`src/items.py`: does not exist yet",
    f"specs/{FEATURE}/tasks.md",
)
UNWANTED = ("GET /other", "a full list", "Be kind")


def plan_a_story(harness: Harness) -> None:
    harness.write(
        f"specs/{FEATURE}/spec.md",
        """\
        # Spec

        ### User Story 1 - Add (Priority: P1)

        **Acceptance Scenarios**:

        1. **Given** an empty list, **When** I add milk, **Then** it holds milk

        ### User Story 2 - Remove (Priority: P2)

        **Acceptance Scenarios**:

        1. **Given** a full list, **When** I remove, **Then** it is shorter
        """,
    )
    harness.write(f"specs/{FEATURE}/plan.md", "# Plan\n\nPython, no dependencies.\n")
    harness.write(f"specs/{FEATURE}/contracts/add-item.md", "POST /items answers 201\n")
    harness.write(f"specs/{FEATURE}/contracts/other.md", "GET /other answers 204\n")
    harness.write(
        ".specify/memory/constitution.md", "# Rules\n\n- Code MUST be typed.\n- Be kind.\n"
    )
    harness.tasks(
        """\
        ## Phase 1: Setup

        - [X] T001 [SYNC] Begin in old.py

        ## Phase 2: User Story 1

        - [ ] T002 [ASYNC] [US1] Serve it by contracts/add-item.md in old.py (depends on T001)
          - answer as the contract says
          - new file: `src/items.py`
        """
    )


def test_the_model_is_reported_all_that_the_task_needs(
    harness: Harness, use_model: UseModel
) -> None:
    plan_a_story(harness)
    look = calls(shell("echo dir=$SPECIFY_FEATURE_DIRECTORY key=$SDLC_RUNNER_AGENT_MODEL."))
    rules = [task(2, look, writes("src/items.py"), says("Done."))]
    with ModelServer(rules) as model:
        use_model(model.url)
        result = harness.run("run", SDLC_RUNNER_AGENT_MODEL="scripted/model-1")
    assert result.code == 0, result.stdout
    asked = [request for request in model.requests if request.tools]
    prompt = asked[0].prompt
    assert not [text for text in WANTED if text not in prompt]
    assert not [text for text in UNWANTED if text in prompt]
    assert f"dir=specs/{FEATURE} key=." in asked[1].results[0]
    (size,) = [event["context_bytes"] for event in result.of("phase") if "context_bytes" in event]
    assert size == len(prompt.encode())


def test_cancel_while_the_model_thinks_keeps_the_work(
    harness: Harness, use_model: UseModel
) -> None:
    tasks(harness, "Think long")
    rules = [task(1, writes("half.py"), Turn("late", delay=60))]
    with ModelServer(rules) as model:
        use_model(model.url)
        assert harness.run("spawn", "T001").code == 0
        until(lambda: any(request.turn == 1 for request in model.requests), 60)
        result = harness.run("cancel", "T001")
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("cancelled", "cancelled")
    assert harness.remote_file("half.py", outcome["checkpoint"]) == "done"
    assert f"refs/heads/sdlc-runner/{FEATURE}/T001-1" not in harness.remote_refs()


def test_the_models_key_never_leaves_this_machine(harness: Harness, use_model: UseModel) -> None:
    tasks(harness, "Look around", "Write the key down")
    config = harness.env["XDG_CONFIG_HOME"] + "/opencode/opencode.json"
    encoded = f"base64 -w0 {config}"
    rules = [
        task(
            1,
            calls(shell(f"cat {config}; {encoded}; env; echo {KEY}")),
            calls(Call("read", {"filePath": config})),
            calls(shell("echo fine > one.txt")),
            lambda request: says("\n".join(request.results)),
        ),
        task(2, calls(shell(f"echo 'key = \"{KEY}\"' > two.py; echo fine > ok.py")), says("Done.")),
    ]
    with ModelServer(rules) as model:
        use_model(model.url)
        result = harness.run("run", "--detail", "full")
    assert any("one.txt" in str(event) for event in result.of("tool", "T001"))
    assert result.outcome("T001")["code"] == "verified"
    refused = result.outcome("T002")
    assert (refused["outcome"], refused["code"]) == ("failed", "secret_in_diff")
    assert "two.py" in refused["message"]
    assert KEY not in result.stdout + result.stderr
    assert b"one.txt" in repo_scan.objects(harness)
    assert KEY.encode() not in repo_scan.objects(harness)
    for file in harness.state.glob("attempts/*/*"):
        if file.is_file():
            assert KEY.encode() not in file.read_bytes(), file
