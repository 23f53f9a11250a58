"""The spec-kit fork's own files: kept true by every verb that tells of a start or an end."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from support.harness import FEATURE
from support.scripted_agents import ONE, WRITE, agent, go, held

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import Harness

FAILING = WRITE + "sys.exit(task == 'T002')"
TWO = "".join(f"- [ ] T00{n} [P] [ASYNC] Write T00{n}.txt\n" for n in (1, 2))


def folder(harness: Harness) -> Path:
    return harness.tasks_file.parent


def begin(harness: Harness, tasks: dict[str, Any] | None = None, **more: Any) -> None:  # noqa: ANN401
    """Write tasks_meta.json as the fork's own script would."""
    record = {"feature": FEATURE, "created": "2026-01-01T00:00:00+00:00", "tasks": tasks or {}}
    (folder(harness) / "tasks_meta.json").write_text(json.dumps({**record, **more}, indent=2))


def meta(harness: Harness) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder(harness) / "tasks_meta.json").read_text())
    return record


def check_status(harness: Harness, task: str = "T001") -> str:
    """Answer as the fork's check-status does: by which of the files is there."""
    state = folder(harness) / ".async_state"
    for name, answer in (("completed", "completed"), ("errors", "failed")):
        if (state / f"delegation_{name}" / f"{task}.txt").exists():
            return answer
    prompt = state / "delegation_prompts" / f"{task}.md"
    return "running" if prompt.exists() else "no_job"


def test_a_run_is_reported_to_the_fork(harness: Harness) -> None:
    harness.tasks(TWO)
    begin(
        harness, {"T001": {"files": "T001.txt", "owner": "x"}, "T009": {"status": "pending"}}, own=1
    )
    agent(harness, FAILING)
    assert harness.run("run").code == 1
    record = meta(harness)
    assert (record["feature"], record["own"]) == (FEATURE, 1)
    assert record["tasks"]["T009"] == {"status": "pending"}
    good, bad = record["tasks"]["T001"], record["tasks"]["T002"]
    assert (good["status"], good["owner"], good["files"]) == ("completed", "x", "T001.txt")
    assert good["quality_gate_passed"] is good["quality_gates_passed"] is True
    assert good["mcp_job_id"] == harness.attempt("T001").name
    head = harness.remote_refs()[f"refs/heads/sdlc-runner/{FEATURE}/T001-1"]
    assert good["result_summary"].endswith(f"Branch sdlc-runner/{FEATURE}/T001-1 at {head}.")
    assert (bad["status"], bad["quality_gate_passed"]) == ("failed", False)
    assert bad["failure_reason"].startswith("failed [agent_failed]: ")
    assert (check_status(harness, "T001"), check_status(harness, "T002")) == ("completed", "failed")


def test_it_runs_until_it_has_ended(harness: Harness) -> None:
    harness.tasks(ONE)
    begin(harness)
    held(harness)
    assert meta(harness)["tasks"]["T001"]["status"] == "in_progress"
    assert check_status(harness) == "running"
    harness.run("verify", "T001")
    harness.run("spawn", "T001")
    assert check_status(harness) == "running"
    go(harness)
    harness.run("follow", "T001")
    assert check_status(harness) == "completed"


def test_a_retry_takes_the_error_back(harness: Harness) -> None:
    harness.tasks(ONE)
    begin(harness)
    agent(harness, "if not pathlib.Path(GO).exists(): sys.exit(1)\n" + WRITE)
    harness.run("spawn", "T001", "--follow")
    assert check_status(harness) == "failed"
    go(harness)
    harness.run("retry", "T001")
    assert check_status(harness) in {"running", "completed"}
    harness.run("follow", "T001")
    assert check_status(harness) == "completed"
    assert "failure_reason" not in meta(harness)["tasks"]["T001"]


def test_a_conflict_is_handed_back(harness: Harness) -> None:
    harness.tasks(TWO)
    harness.write("shared.txt", "line\n")
    harness.commit("Share")
    begin(harness)
    agent(harness, "pathlib.Path('shared.txt').write_text(task)")
    harness.run("run")
    assert (check_status(harness, "T001"), check_status(harness, "T002")) == ("completed", "failed")
    assert meta(harness)["tasks"]["T002"]["failure_reason"].startswith("conflict [conflict]: ")


def test_nothing_is_made_where_the_fork_is_not(harness: Harness) -> None:
    harness.tasks(ONE)
    agent(harness)
    assert harness.run("run").code == 0
    assert {path.name for path in folder(harness).iterdir()} == {"spec.md", "plan.md", "tasks.md"}


def test_its_state_alone_is_kept_too(harness: Harness) -> None:
    harness.tasks(ONE)
    (folder(harness) / ".async_state").mkdir()
    agent(harness)
    harness.run("run")
    assert check_status(harness) == "completed"
    assert not (folder(harness) / "tasks_meta.json").exists()


def test_many_ends_at_once_lose_none(harness: Harness) -> None:
    names = [f"T{n:03}" for n in range(1, 9)]
    harness.tasks("".join(f"- [ ] {name} [P] [ASYNC] Write {name}.txt\n" for name in names))
    begin(harness)
    agent(harness, FAILING)
    assert harness.run("spawn", *names).code == 0
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: harness.run("follow", name), names))
    entries = meta(harness)["tasks"]
    assert {name: entry["status"] for name, entry in entries.items()} == {
        name: "failed" if name == "T002" else "completed" for name in names
    }


def test_the_same_reported_again_leaves_the_files_alone(harness: Harness) -> None:
    harness.tasks(ONE)
    begin(harness)
    agent(harness)
    harness.run("spawn", "T001", "--follow")
    files = [path for path in folder(harness).rglob("*") if path.is_file()]
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}
    assert harness.run("verify", "T001").code == 0
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files} == before


def test_what_the_user_did_by_hand_is_not_failed_again(harness: Harness) -> None:
    harness.tasks(ONE)
    begin(harness)
    agent(harness, "sys.exit(1)")
    harness.run("spawn", "T001", "--follow")
    begin(harness, {"T001": {"status": "completed", "result_summary": "by hand"}})
    harness.run("verify", "T001")
    assert meta(harness)["tasks"] == {"T001": {"status": "completed", "result_summary": "by hand"}}


@pytest.mark.parametrize("text", ["{", "[]", '{"tasks": []}', '{"tasks": {"T001": 1}}', "\x00"])
def test_a_file_that_is_none_of_the_forks_is_left_alone(harness: Harness, text: str) -> None:
    harness.tasks(ONE)
    (folder(harness) / "tasks_meta.json").write_text(text)
    agent(harness)
    result = harness.run("run")
    assert result.code == 0
    assert {event["code"] for event in result.of("warning")} == {"bridge_failed"}
    assert (folder(harness) / "tasks_meta.json").read_text() == text
    assert harness.ticked() == {"T001"}


def test_a_link_is_not_followed(harness: Harness) -> None:
    harness.tasks(ONE)
    begin(harness)
    outside = harness.folder / "outside"
    outside.mkdir()
    (folder(harness) / ".async_state").symlink_to(outside)
    agent(harness)
    result = harness.run("run")
    assert result.code == 0
    assert "is a link" in result.of("warning")[0]["message"]
    assert not list(outside.iterdir())


def test_they_are_never_published_unless_they_were(harness: Harness) -> None:
    harness.tasks(ONE + "- [ ] T003 [SYNC] Review\n")
    begin(harness)
    agent(harness)
    harness.run("run")
    assert harness.run("publish").events[-1]["verdict"].startswith("Nothing to publish")
    harness.write("mine.txt", "work\n")
    assert harness.run("publish").of("published")[0]["files"] == ["mine.txt"]
    listed = harness.git("ls-tree", "-r", "--name-only", FEATURE, cwd=harness.remote).splitlines()
    assert "mine.txt" in listed
    assert not [name for name in listed if "tasks_meta" in name or "async_state" in name]


def test_a_committed_one_stops_no_fast_forward_and_is_published(harness: Harness) -> None:
    harness.tasks(ONE)
    begin(harness)
    harness.commit("Keep it in git")
    agent(harness)
    result = harness.run("run")
    assert not result.of("warning")
    assert (harness.checkout / "T001.txt").exists()
    assert meta(harness)["tasks"]["T001"]["status"] == "completed"
    harness.run("publish")
    path = f"specs/{FEATURE}/tasks_meta.json"
    assert json.loads(harness.remote_file(path))["tasks"]["T001"]["status"] == "completed"
    assert harness.git("status", "--porcelain") == f"?? specs/{FEATURE}/.async_state/"
