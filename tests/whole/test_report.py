"""``report``: a run with all kinds of ends, told from the remote, with nothing left of it here."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from support.git import plain_git
from support.harness import FEATURE
from support.scripted_agents import WRITE, agent, go, held

if TYPE_CHECKING:
    from support.harness import Harness, Result

TASKS = """\
# Tasks

## Phase 1: Setup
- [x] T001 [SYNC] Decide on the format
- [ ] T002 [P] [ASYNC] Rewrite shared.txt
- [ ] T003 [P] [ASYNC] Rewrite it another way
- [ ] T004 [P] [ASYNC] Write T004.txt
- [ ] T005 [P] [ASYNC] Write T005.txt
- [ ] T006 [P] [ASYNC] Check that all is well
- [ ] T007 [SYNC] Review
- [ ] T008 [ASYNC] Go on (depends on T005)
"""
AGENT = f"""\
if task in ('T002', 'T003'):
    pathlib.Path('shared.txt').write_text(task)
elif task == 'T006':
    print('all is well')
elif task == 'T005' and not pathlib.Path(GO).exists():
    print('```\\n<b>it</b> [broke](http://localhost)')
    sys.exit(3)
else:
    {WRITE}"""
ALL_BUT_T005 = ("succeeded", "conflict", "succeeded", "failed", "no_change", "blocked")


def page(result: Result) -> str:
    assert (result.code, result.events[-1]["type"]) == (0, "summary")
    return Path(result.of("report")[0]["markdown"]).read_text()


def rows(text: str, heading: str = "Tasks") -> dict[str, dict[str, str]]:
    """Return a table of the page: first cell → the cells by their column."""
    table = text.partition(f"## {heading}\n\n")[2].partition("\n\n")[0].splitlines()
    head, _, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table)
    return {cells[0]: dict(zip(head, cells, strict=True)) for cells in lines}


def bars(result: Result) -> list[str]:
    """Return the labels of the picture's rows."""
    root = ET.parse(result.of("report")[0]["timeline"]).getroot()  # noqa: S314 - our own
    svg = "{http://www.w3.org/2000/svg}"
    return [group.findall(f"{svg}text")[0].text or "" for group in root.findall(f"{svg}g")]


@pytest.fixture
def ran(harness: Harness) -> Harness:
    harness.write("shared.txt", "line\n")
    harness.tasks(TASKS)
    agent(harness, AGENT)
    assert harness.run("run").code == 1
    return harness


def test_a_run_with_all_kinds_of_ends(ran: Harness) -> None:
    text = page(ran.run("report"))
    told = rows(text)
    assert tuple(row["state"] for row in told.values()) == ALL_BUT_T005
    merges = ran.git("log", "--merges", "--format=%H %s", FEATURE, cwd=ran.remote).splitlines()
    merged = {line.split()[2]: f"`{line[:10]}`" for line in merges}
    assert {task: row["merged as"] for task, row in told.items() if row["merged as"]} == merged
    assert merged.keys() == {"T002", "T004"}
    head = ran.remote_refs()[f"refs/heads/sdlc-runner/{FEATURE}/T004-1"]
    assert told["T004"]["commits"] == f"`{head[:10]}`"
    assert "4 of 8 tasks done; 3 in need of you: T003, T005, T008" in text
    assert "````text\n```\n<b>it</b> [broke](http://localhost)\n````\n" in text
    assert "`sdlc-runner retry T005` tries again." in text
    assert f"`git fetch origin sdlc-runner/{FEATURE}/T003-1 && git merge FETCH_HEAD`" in text
    assert "- [x] T001 Decide on the format (line 4)\n- [ ] T007 Review (line 10)\n" in text


def test_a_retry_is_reported_from_the_remote_alone(ran: Harness) -> None:
    go(ran)
    ran.run("retry", "T005", "--follow")
    ran.run("merge")
    shutil.rmtree(ran.state)
    result = ran.run("report")
    text = page(result)
    assert rows(text)["T005"]["state"] == "succeeded"
    assert rows(text)["T005"]["attempts"] == "2"
    assert rows(text, "Attempts")["T005-1"]["outcome"] == "failed (`agent_failed`)"
    assert sorted(bars(result)) == ["T002-1", "T003-1", "T004-1", "T005-1", "T005-2", "T006-1"]


def test_what_gc_removed_is_still_known_by_its_merges(ran: Harness) -> None:
    before = rows(page(ran.run("report")))
    ran.run("gc")
    after = rows(page(ran.run("report")))
    assert after["T004"]["state"] == "done"
    assert after["T004"]["merged as"] == before["T004"]["merged as"]
    assert after["T003"]["state"] == "conflict"


def test_neither_checkout_nor_remote_is_touched(ran: Harness) -> None:
    before = ran.remote_refs(), ran.git("status", "--porcelain"), ran.git("rev-parse", "HEAD")
    result = ran.run("report")
    files = {Path(result.of("report")[0][name]) for name in ("markdown", "timeline")}
    (folder,) = {path.parent for path in files}
    assert folder.parent == ran.state / "reports"
    assert set(folder.iterdir()) == files
    now = ran.remote_refs(), ran.git("status", "--porcelain"), ran.git("rev-parse", "HEAD")
    assert now == before
    assert not list((ran.state / "merge").glob("*/tree-*"))


def test_tokens_and_cost_are_reported_by_task(harness: Harness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write it\n- [ ] T002 [P] [ASYNC] And that\n")
    names = {"v": 1, "feature": FEATURE, "task": "T001", "attempt": 1}
    told: list[dict[str, object]] = [
        {"type": "phase", "phase": "working", "detail": "T001"},
        {"type": "usage", "input_tokens": 900, "output_tokens": 50, "cost": 0.25},
        {"type": "usage", "input_tokens": 1900, "output_tokens": 100, "cost": 1.5},
    ]
    lines = [
        json.dumps({**names, "seq": at, "time": f"2026-01-31T09:30:0{at}.000Z", **fields})
        for at, fields in enumerate(told, 1)
    ]
    change = plain_git.writes({"a.txt": "a"})
    plain_git.attempt(harness, "T001", change, events="\n".join(lines).encode())
    result = harness.run("report")
    row = rows(page(result))["T001"]
    assert (row["tokens"], row["cost"], row["time"]) == ("2,000", "\\$1.50", "2.0 s")
    assert rows(page(result), "Attempts")["T001-1"]["began (UTC)"] == "2026-01-31 09:30:01"
    event = result.of("report")[0]
    assert (event["input_tokens"], event["output_tokens"], event["cost"]) == (1900, 100, 1.5)
    assert "2,000 tokens, $1.50" in result.events[-1]["verdict"]


def test_what_runs_is_in_it(harness: Harness) -> None:
    held(harness)
    result = harness.run("report")
    assert rows(page(result))["T001"]["state"] == "running"
    assert bars(result) == ["T001-1"]
    go(harness)


def test_before_any_attempt_there_are_only_tasks(harness: Harness) -> None:
    harness.tasks(TASKS)
    result = harness.run("report")
    assert rows(page(result))["T004"]["state"] == "ready"
    assert "timeline" not in page(result)
    assert bars(result) == []


def test_a_folder_can_be_named_and_ours_is_written_again(harness: Harness) -> None:
    harness.tasks(TASKS)
    for _ in range(2):
        result = harness.run("report", "--output", "../out")
        assert result.of("report")[0]["markdown"] == str(harness.checkout / "../out/report.md")
    assert sorted(path.name for path in (harness.folder / "out").iterdir()) == [
        "report.md",
        "timeline.svg",
    ]


def test_what_is_not_ours_is_left_alone(harness: Harness) -> None:
    harness.tasks(TASKS)
    harness.write("report.md", "# My own\n")
    result = harness.run("report", "--output", ".")
    assert (result.code, result.error["code"]) == (2, "foreign_file")
    assert (harness.checkout / "report.md").read_text() == "# My own\n"
    assert not (harness.checkout / "timeline.svg").exists()
    (harness.checkout / "report.md").unlink()
    (harness.checkout / "report.md").symlink_to(harness.folder / "elsewhere")
    assert harness.run("report", "--output", ".").error["code"] == "foreign_file"
    assert not (harness.folder / "elsewhere").exists()


def test_the_page_itself_can_be_printed(ran: Harness) -> None:
    shown = ran.on_terminal("report", "--print")
    assert shown.startswith("<!-- Written by sdlc-runner report -->\n\n# 001-demo\n")
    assert rows(shown)["T005"]["state"] == "failed"
    (written,) = (ran.state / "reports").glob("*/report.md")
    picture = written.with_name("timeline.svg")
    assert shown == written.read_text().replace("](timeline.svg)", f"]({picture})")


def test_what_is_printed_is_bounded(harness: Harness) -> None:
    harness.tasks("".join(f"- [ ] T{n:03} [P] [ASYNC] {'Write it ' * 9}\n" for n in range(999)))
    done = subprocess.run(
        harness.command("report", "--print"),
        cwd=harness.checkout,
        env=harness.env,
        check=True,
        capture_output=True,
    )
    assert 38_000 < len(done.stdout) < 40_000
    *_, row, _, last = done.stdout.decode().splitlines()
    assert row.endswith("| ready |")
    (written,) = (harness.state / "reports").glob("*/report.md")
    assert last == f"The rest is in {written}"
    assert "| T998 |" in written.read_text()


def test_people_see_where_it_is(harness: Harness) -> None:
    harness.tasks(TASKS)
    shown = harness.on_terminal("report")
    assert f"{harness.state}/reports/" in shown
    assert "1 of 8 tasks done" in shown


def test_a_cluster_that_is_gone_is_not_needed(ran: Harness) -> None:
    ran.env["SDLC_RUNNER_BACKEND"] = "kubernetes"
    ran.env["KUBECONFIG"] = str(ran.folder / "none")
    result = ran.run("report")
    (warning,) = result.of("warning")
    assert warning["code"] == "no_cluster"
    assert tuple(row["state"] for row in rows(page(result)).values()) == ALL_BUT_T005
